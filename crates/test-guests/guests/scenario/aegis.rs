//! Does what the header `x-scenario` of the request says, to the response that there will be, or to the request.

use std::hint::black_box;

use aegis_guests::{fetch, raw, request_header};

#[unsafe(no_mangle)]
extern "C" fn edit_response() -> i32 {
    match scenario().as_str() {
        "add-header" => set_response("x-added", b"1"),
        "remove-header" => unsafe { raw::response_remove_header(b"x-remove".as_ptr(), 8) },
        "read-body" => set_response("x-body", &body()),
        "replace-body" => response_body("replaced"),
        other => both(other),
    }
}

#[unsafe(no_mangle)]
extern "C" fn edit_request() -> i32 {
    match scenario().as_str() {
        "add-header" => set_request("x-added", b"1"),
        "remove-header" => unsafe { raw::request_remove_header(b"x-remove".as_ptr(), 8) - 1 },
        "read-body" => set_request("x-body", &body()),
        "replace-body" => unsafe { raw::request_set_body(b"replaced".as_ptr(), 8) },
        other => both(other),
    }
}

fn both(scenario: &str) -> i32 {
    match scenario {
        "reject" => response_body("rejected") + unsafe { raw::request_terminate(403) },
        "set-status" => unsafe { raw::response_set_status(418) },
        "trap" => core::arch::wasm32::unreachable(),
        "loop" => loop {
            black_box(());
        },
        "memory" => loop {
            black_box(vec![1_u8; 1 << 20]).leak();
        },
        "bad-pointer" => refused(unsafe { raw::request_get_header(usize::MAX as *const u8, 4) }),
        "bad-length" => refused(unsafe { raw::response_set_body(b"a".as_ptr(), usize::MAX) }),
        "bad-buffer-range" => refused(unsafe { raw::get_shared_buffer([0; 4].as_mut_ptr(), 1, usize::MAX) }),
        "bad-utf8" => refused(unsafe { raw::response_set_header(b"\xff\xfe".as_ptr(), 2, b"1".as_ptr(), 1) }),
        "bad-utf8-value" => refused(unsafe { raw::response_set_header(b"x-a".as_ptr(), 3, b"\xff".as_ptr(), 1) }),
        "header-with-line-break" => refused(set_response("x-a", b"1\r\nx-evil: 1")),
        "name-with-line-break" => refused(set_response("x-a\r\nx-evil", b"1")),
        "header-with-nul" => refused(set_response("x-a", b"1\0")),
        "status-700" => refused(unsafe { raw::response_set_status(700) }),
        "terminate-700" => refused(unsafe { raw::request_terminate(700) }),
        "host-managed" => set_response("content-length", b"1000"),
        "status-100" => unsafe { raw::response_set_status(100) },
        "error" => {
            response_body("never seen");
            7
        }
        _ => 0,
    }
}

fn scenario() -> String {
    String::from_utf8(request_header("x-scenario").unwrap_or_default()).unwrap_or_default()
}

fn body() -> Vec<u8> {
    fetch(unsafe { raw::request_get_body() }).unwrap_or_default()
}

fn set_response(name: &str, value: &[u8]) -> i32 {
    unsafe { raw::response_set_header(name.as_ptr(), name.len(), value.as_ptr(), value.len()) }
}

fn set_request(name: &str, value: &[u8]) -> i32 {
    unsafe { raw::request_set_header(name.as_ptr(), name.len(), value.as_ptr(), value.len()) }
}

fn response_body(body: &str) -> i32 {
    unsafe { raw::response_set_body(body.as_ptr(), body.len()) }
}

/// A function that is not told -1 where it should fails.
fn refused(told: i32) -> i32 {
    if told == -1 { 0 } else { 1000 }
}
