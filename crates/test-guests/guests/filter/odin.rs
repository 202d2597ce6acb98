//! Answers 401 unless the request carries the secret, else marks the request: the filter that hosts are measured with.

use odin_guests::{give, header, input};
use serde_json::json;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn execute(ptr: *const u8, len: usize) -> u64 {
    let told = unsafe { input(ptr, len) };
    give(&if header(&told["input"], "Authorization") == "Bearer secret" {
        json!({ "modified": true, "continue": true, "response": { "headers": { "X-Plugin": ["1"] } } })
    } else {
        json!({ "continue": false, "response": { "statusCode": 401 } })
    })
}
