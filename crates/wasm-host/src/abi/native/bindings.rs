//! The host's side of `wasm-host:plugin@0.1.0`, generated from the published WIT.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]

wasmtime::component::bindgen!({
    path: [
        "wit/deps/io",
        "wit/deps/clocks",
        "wit/deps/random",
        "wit/deps/logging",
        "wit/deps/config",
        "wit/deps/keyvalue",
        "wit/plugin@0.1.0",
    ],
    world: "wasm-host:plugin/plugin",
    imports: {
        "wasi:keyvalue/store.[method]bucket.get": async | trappable,
        "wasi:keyvalue/store.[method]bucket.set": async | trappable,
        "wasi:keyvalue/store.[method]bucket.delete": async | trappable,
        "wasi:keyvalue/store.[method]bucket.exists": async | trappable,
        "wasi:keyvalue/store.[method]bucket.list-keys": async | trappable,
        "wasi:keyvalue/atomics.[static]cas.new": async | trappable,
        "wasi:keyvalue/atomics.[method]cas.current": async | trappable,
        "wasi:keyvalue/atomics.increment": async | trappable,
        "wasi:keyvalue/atomics.swap": async | trappable,
        "wasi:keyvalue/batch": async | trappable,
        "wasm-host:plugin/kv": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    // What a guest is given is lowered from where it is: a piece of a body is copied once.
    ownership: Borrowing { duplicate_if_necessary: true },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:random": wasmtime_wasi::p2::bindings::random,
        "wasi:keyvalue/store.bucket": crate::capability::KvBucket,
        "wasi:keyvalue/atomics.cas": crate::capability::KvWatch,
        "wasm-host:plugin/types.request": super::RequestHandle,
        "wasm-host:plugin/types.response": super::ResponseHandle,
        "wasm-host:plugin/types.local-response": crate::message::LocalResponse,
    },
});
