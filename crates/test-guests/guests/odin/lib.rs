//! What the Odin guests have in common: JSON in, JSON out. The guests are the examples of this package.

use std::sync::{Mutex, PoisonError};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// The output of the last call, which the host reads after it.
static OUTPUT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The input of the call.
///
/// # Safety
///
/// What `execute` was called with.
pub unsafe fn input(ptr: *const u8, len: usize) -> Value {
    let input = unsafe { std::slice::from_raw_parts(ptr, len) };
    serde_json::from_slice(input).unwrap()
}

/// Gives the output back: pointer in the low half, size in the high one.
pub fn give(output: &Value) -> u64 {
    give_bytes(output.to_string().into_bytes())
}

pub fn give_bytes(output: Vec<u8>) -> u64 {
    let mut kept = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
    *kept = output;
    pack(kept.as_ptr() as usize, kept.len())
}

pub fn pack(ptr: usize, len: usize) -> u64 {
    ptr as u64 | (len as u64) << 32
}

pub fn encode(body: &str) -> String {
    BASE64_STANDARD.encode(body)
}

pub fn decode(body: &Value) -> String {
    String::from_utf8(BASE64_STANDARD.decode(body.as_str().unwrap()).unwrap()).unwrap()
}

/// The first value of a header.
pub fn header<'a>(message: &'a Value, name: &str) -> &'a str {
    message["headers"][name][0].as_str().unwrap_or_default()
}
