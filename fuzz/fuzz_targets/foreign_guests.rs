//! Guests of the core-module ABIs that hand over anything: an edit or a failure, never a panic.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use tokio::runtime::Runtime;
use wasm_host::{Body, ExchangeFacts, Plugin, PluginChain, PluginEngine, RequestOutcome};

static ENGINE: LazyLock<PluginEngine> =
    LazyLock::new(|| PluginEngine::builder().max_instances(4).build().expect("an engine"));
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));

/// What the guest does with the bytes that its memory begins with.
#[derive(Arbitrary, Debug)]
enum Guest {
    Odin { packed: u64 },
    OdinPair { ptr: u32, len: u32 },
    Waf { input: u32, result: u32 },
    Bot { input: u32, verdict: i32 },
    Edge { name: (u32, u32), value: (u32, u32), status: i32, offset: u32 },
    Blitz { input: u32, level: (u32, u32), name: (u32, u32), value: (u32, u32), code: i32 },
}

impl Guest {
    fn text(&self, memory: &[u8]) -> String {
        let code = match *self {
            Self::Odin { packed } => {
                format!(r#"(func (export "execute") (param i32 i32) (result i64) (i64.const {}))"#, packed as i64)
            }
            Self::OdinPair { ptr, len } => format!(
                r#"(func (export "execute") (param i32 i32) (result i32 i32) (i32.const {}) (i32.const {}))"#,
                ptr as i32, len as i32
            ),
            Self::Waf { input, result } => format!(
                r#"(func (export "alloc") (param i32) (result i32) (i32.const {}))
                (func (export "analyze_request") (param i32 i32) (result i32) (i32.const {}))"#,
                input as i32, result as i32
            ),
            Self::Bot { input, verdict } => format!(
                r#"(func (export "alloc") (param i32) (result i32) (i32.const {}))
                (func (export "dealloc") (param i32 i32))
                (func (export "detect_bot") (param i32 i32) (result i32) (i32.const {verdict}))"#,
                input as i32
            ),
            Self::Edge { name, value, status, offset } => {
                let pair = |(ptr, len): (u32, u32)| format!("(i32.const {}) (i32.const {})", ptr as i32, len as i32);
                let (name, value) = (pair(name), pair(value));
                let offset = offset as i32;
                format!(
                    r#"(func (export "main") (result i32)
                    (drop (call $header {name})) (drop (call $set {name} {value})) (drop (call $add {name} {value}))
                    (drop (call $remove {name})) (drop (call $body {value})) (drop (call $status (i32.const {status})))
                    (drop (call $names)) (drop (call $shared {value} (i32.const {offset}))) (call $log {value})
                    (i32.const 0))"#
                )
            }
            Self::Blitz { input, level, name, value, code } => {
                let pair = |(ptr, len): (u32, u32)| format!("(i32.const {}) (i32.const {})", ptr as i32, len as i32);
                format!(
                    r#"(func (export "malloc") (param i32) (result i32) (i32.const {}))
                    (func (export "process_request") (param i32 i32 i32 i32) (result i32)
                    (call $log {} {}) (call $set {} {}) (i32.const {code}))"#,
                    input as i32,
                    pair(level),
                    pair(value),
                    pair(name),
                    pair(value)
                )
            }
        };
        let imports = match self {
            Self::Edge { .. } => {
                r#"(import "env" "request_get_header" (func $header (param i32 i32) (result i32)))
                (import "env" "response_set_header" (func $set (param i32 i32 i32 i32) (result i32)))
                (import "env" "response_add_header" (func $add (param i32 i32 i32 i32) (result i32)))
                (import "env" "response_remove_header" (func $remove (param i32 i32) (result i32)))
                (import "env" "response_set_body" (func $body (param i32 i32) (result i32)))
                (import "env" "response_set_status" (func $status (param i32) (result i32)))
                (import "env" "request_get_header_names" (func $names (result i32)))
                (import "env" "get_shared_buffer" (func $shared (param i32 i32 i32) (result i32)))
                (import "env" "log" (func $log (param i32 i32)))"#
            }
            Self::Blitz { .. } => {
                r#"(import "env" "log" (func $log (param i32 i32 i32 i32)))
                (import "env" "set_header" (func $set (param i32 i32 i32 i32)))"#
            }
            _ => "",
        };
        let data: String = memory.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!(r#"(module {imports} (memory (export "memory") 1) (data (i32.const 0) "{data}") {code})"#)
    }
}

fuzz_target!(|input: (Guest, Vec<u8>)| {
    let (guest, mut memory) = input;
    memory.truncate(1 << 15);
    let module = wat::parse_str(guest.text(&memory)).expect("a module");
    RUNTIME.block_on(async {
        let plugin = Plugin::builder("fuzz").bytes(module).load(&ENGINE).await.expect("a plugin");
        let mut exchange = PluginChain::new([plugin]).expect("a chain").exchange(ExchangeFacts::default());
        let request = http::Request::post("/path?q=1").header("user-agent", "fuzz").body(Body::from("body"));
        let response = match exchange.on_request(request.expect("a request")).await {
            RequestOutcome::Continue(_) => http::Response::new(Body::from("response")),
            RequestOutcome::Respond(response) => response,
            RequestOutcome::BodyFailed(error) => panic!("{error}"),
        };
        exchange.on_response(response).await;
        exchange.finish();
    });
});
