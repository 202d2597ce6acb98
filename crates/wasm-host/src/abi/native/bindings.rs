//! The host's side of `wasm-host:plugin@0.1.0`, generated from the published WIT.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]

wasmtime::component::bindgen!({
    path: [
        "wit/deps/io",
        "wit/deps/clocks",
        "wit/deps/random",
        "wit/deps/logging",
        "wit/deps/config",
        "wit/deps/http",
        "wit/plugin@0.1.0",
    ],
    world: "wasm-host:plugin/plugin",
    imports: {
        "wasm-host:plugin/cache": async | trappable,
        "wasm-host:plugin/rate-limit.check": async | trappable,
        "wasm-host:plugin/queue.enqueue": async | trappable,
        "wasm-host:plugin/queue.dequeue": async | trappable,
        "wasm-host:plugin/queue.dequeue-many": async | trappable,
        "wasm-host:plugin/queue.length": async | trappable,
        "wasm-host:plugin/http-call.send": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    // What a guest is given is lowered from where it is: a piece of a body is copied once.
    ownership: Borrowing { duplicate_if_necessary: true },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:random": wasmtime_wasi::p2::bindings::random,
        "wasi:http": wasmtime_wasi_http::p2::bindings::http,
        "wasm-host:plugin/types.request": super::RequestHandle,
        "wasm-host:plugin/types.response": super::ResponseHandle,
        "wasm-host:plugin/types.local-response": crate::message::LocalResponse,
    },
});
