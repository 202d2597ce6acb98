//! Tells in headers what it got from the host, in both phases, and counts the calls that it has had.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    fn log(level: &str, message: &str);
    fn set_header(name: &str, value: &str);
    fn get_header(name: &str) -> String;
    fn get_env(name: &str) -> String;
    fn get_body() -> String;
}

static CALLS: AtomicU32 = AtomicU32::new(0);

#[wasm_bindgen]
pub fn init() -> i32 {
    log("debug", &format!("without a message there is {:?} and {:?}", get_header("host"), get_body()));
    0
}

#[wasm_bindgen]
pub fn process_request(method: &str, path: &str) -> i32 {
    set_header("X-Seen", &format!("{method} {path}"));
    set_header("x-env", &format!("[{}]", get_env(&get_header("x-variable"))));
    set_header("x-headers", &format!("[{}] [{}]", get_header("X-MANY"), get_header("x-absent")));
    set_header("x-body", &get_body());
    set_header("x-calls", &(CALLS.fetch_add(1, Relaxed) + 1).to_string());
    get_header("x-code").parse().unwrap_or(0)
}

#[wasm_bindgen]
pub fn process_response(status: i32, body: &str) -> i32 {
    set_header("x-seen", &format!("{status} {body}"));
    set_header("x-same", &(get_body() == body).to_string());
    set_header("x-server", &get_header("SERVER"));
    get_header("x-code").parse().unwrap_or(0)
}

#[wasm_bindgen]
pub fn cleanup() -> i32 {
    log("warn", &format!("gone after {} calls", CALLS.load(Relaxed)));
    -3
}
