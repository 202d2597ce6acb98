//! Does what the header `X-Scenario` of the message says: one of what every ABI can say in its own way, or what only a
//! guest of this ABI can do wrong.

use std::hint::black_box;

use odin_guests::{decode, encode, give, give_bytes, header, input, pack};
use serde_json::{Value, json};

const PAST_THE_END: usize = 0xffff_0000;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn execute(ptr: *const u8, len: usize) -> u64 {
    let told = unsafe { input(ptr, len) };
    let message = &told["input"];
    if message.get("method").is_none() {
        return on_response(message);
    }
    match header(message, "X-Scenario") {
        "add-header" => edit(json!({ "headers": { "X-Added": ["1"] } })),
        "remove-header" => edit(json!({ "headers": { "X-Remove": [] } })),
        "read-body" => edit(json!({ "headers": { "X-Body": [decode(&message["body"])] } })),
        "replace-body" => edit(json!({ "body": encode("replaced") })),
        "reject" => give(&json!({ "response": { "statusCode": 403, "body": encode("rejected") } })),
        "trap" => core::arch::wasm32::unreachable(),
        "loop" => loop {
            black_box(());
        },
        "memory" => loop {
            black_box(vec![1_u8; 1 << 20]).leak();
        },
        "exit" => std::process::exit(0),
        "bad-pointer" => pack(PAST_THE_END, PAST_THE_END),
        "bad-length" => pack(1024, PAST_THE_END),
        "nothing-returned" => 0,
        "not-json" => give_bytes(b"{\"continue\":true".to_vec()),
        "not-utf8" => give_bytes(b"{\"continue\":true,\"error\":\"\xff\"}".to_vec()),
        "misshapen" => give(&json!({ "continue": true, "response": [] })),
        "bad-base64" => edit(json!({ "body": "not base64" })),
        "bad-header-name" => edit(json!({ "headers": { "X Y": ["1"] } })),
        "bad-header-value" => edit(json!({ "headers": { "X-Y": ["a\nb"] } })),
        "bad-status" => give(&json!({ "response": { "statusCode": 99 } })),
        "much-metadata" => give(&json!({ "continue": true, "metadata": { "much": "m".repeat(64 << 10) } })),
        "long-output" => give(&json!({ "continue": true, "error": "e".repeat(5 << 20) })),
        "large-answer" => give(&json!({ "response": { "body": encode(&"b".repeat(2 << 20)) } })),
        "managed-header" => edit(json!({ "headers": { "Content-Length": ["7"], "Connection": ["close"] } })),
        _ => give(&json!({ "continue": true })),
    }
}

fn on_response(message: &Value) -> u64 {
    match header(message, "X-Scenario") {
        "set-status" => edit(json!({ "statusCode": 418 })),
        _ => give(&json!({ "continue": true })),
    }
}

fn edit(response: Value) -> u64 {
    give(&json!({ "modified": true, "continue": true, "response": response }))
}
