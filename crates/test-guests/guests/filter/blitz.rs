//! Refuses a request that does not carry the secret, else marks it: the filter that hosts are measured with. A guest of
//! Blitz cannot say 401 itself: it returns an error, and the operator's `on_failure` says it.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    fn set_header(name: &str, value: &str);
    fn get_header(name: &str) -> String;
}

#[wasm_bindgen]
pub fn process_request(_method: &str, _path: &str) -> i32 {
    if get_header("authorization") != "Bearer secret" {
        return -1;
    }
    set_header("x-plugin", "1");
    0
}
