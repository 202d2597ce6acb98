//! Logs every request, and marks the responses that say that something went wrong.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    fn log(level: &str, message: &str);
    fn set_header(name: &str, value: &str);
}

#[wasm_bindgen]
pub fn init() -> i32 {
    log("info", "request logger is ready");
    0
}

#[wasm_bindgen]
pub fn process_request(method: &str, path: &str) -> i32 {
    log("info", &format!("{method} {path}"));
    0
}

#[wasm_bindgen]
pub fn process_response(status: i32, body: &str) -> i32 {
    if status >= 400 {
        log("warn", &format!("answered {status} with {} bytes", body.len()));
        set_header("X-Error-Logged", "true");
    }
    0
}

#[wasm_bindgen]
pub fn cleanup() -> i32 {
    log("info", "request logger is gone");
    0
}
