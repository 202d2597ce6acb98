//! Logs all that it is told, and leaves metadata for the next plugin: how often a plugin was here.

use odin_guests::{give, input};
use serde_json::json;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn log(ptr: *const u8, len: usize);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn execute(ptr: *const u8, len: usize) -> u64 {
    let told = unsafe { input(ptr, len) };
    let text = told.to_string();
    unsafe { log(text.as_ptr(), text.len()) };
    let visits = told["context"]["metadata"]["visits"].as_u64().unwrap_or(0) + 1;
    give(&json!({ "continue_": true, "error": "", "response": null, "metadata": { "visits": visits } }))
}
