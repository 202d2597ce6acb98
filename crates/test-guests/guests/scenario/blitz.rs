//! Does what the header `x-scenario` of the request says: what Blitz can say, and what goes wrong there.

use std::hint::black_box;

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    fn log(level: &str, message: &str);
    fn set_header(name: &str, value: &str);
    fn get_header(name: &str) -> String;
    fn get_body() -> String;
}

#[wasm_bindgen]
pub fn process_request(_method: &str, _path: &str) -> i32 {
    match get_header("X-Scenario").as_str() {
        "add-header" => set_header("x-added", "1"),
        "read-body" => set_header("x-body", &get_body()),
        "trap" => core::arch::wasm32::unreachable(),
        "loop" => loop {
            black_box(());
        },
        "memory" => loop {
            black_box(Vec::<u8>::with_capacity(1 << 20)).leak();
        },
        "throw" => wasm_bindgen::throw_str("no such tenant"),
        "code-7" => return -7,
        "code-2" => return 2,
        "header-name" => set_header("not a name", "1"),
        "header-value" => set_header("x-a", "line\nbreak"),
        "host-header" => set_header("content-length", "7"),
        scenario => {
            if let Some((function, text)) = scenario.split_once(" with ") {
                call(function, wrong(text));
            }
        }
    }
    0
}

fn call(function: &str, text: &str) {
    match function {
        "log" => log("info", text),
        "log level" => log(text, "message"),
        "set_header" => set_header("x-a", text),
        "set_header name" => set_header(text, "1"),
        "get_header" => drop(get_header(text)),
        _ => {}
    }
}

/// A text that is none.
fn wrong(what: &str) -> &'static str {
    let (ptr, len) = match what {
        "a bad pointer" => (0xffff_0000_usize, 16),
        "a bad length" => (64, 0x7fff_ffff),
        _ => (b"\xff\xfe".as_ptr() as usize, 2),
    };
    // SAFETY: it is not safe. The module passes pointer and length on, and looks at neither.
    unsafe { core::str::from_utf8_unchecked(core::slice::from_raw_parts(black_box(ptr) as *const u8, black_box(len))) }
}
