//! Makes one answer of those of several services: how each of them answered, and with what.

use odin_guests::{decode, encode, give, header, input};
use serde_json::{Value, json};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn execute(ptr: *const u8, len: usize) -> u64 {
    let told = unsafe { input(ptr, len) };
    let responses = told["input"]["responses"].as_array().unwrap();
    let all: Vec<Value> = responses
        .iter()
        .map(|response| {
            json!({
                "service": response["service"],
                "status": response["statusCode"],
                "type": header(response, "Content-Type"),
                "body": decode(&response["body"]),
                "error": response["error"],
            })
        })
        .collect();
    if all.iter().all(|one| one["status"] == 502) {
        return give(&json!({ "continue": false, "error": "no service answers" }));
    }
    give(&json!({ "continue": true, "response": { "body": encode(&Value::from(all).to_string()) } }))
}
