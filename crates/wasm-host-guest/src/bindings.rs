//! Generated from the published WIT: what the host offers once, and each phase in a world of its own, so that a
//! plugin exports the phases it names and no other.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unsafe_code,
    clippy::all,
    clippy::restriction,
    reason = "generated code"
)]

pub mod imports {
    wit_bindgen::generate!({
        path: [
            "wit/deps/io",
            "wit/deps/clocks",
            "wit/deps/random",
            "wit/deps/logging",
            "wit/deps/config",
            "wit/deps/http",
            "wit/deps/keyvalue",
            "wit/plugin@0.1.0",
        ],
        world: "wasm-host:plugin/imports",
        generate_all,
    });
}

macro_rules! phase {
    ($module:ident, $world:literal, $export:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: [
                    "wit/deps/io",
                    "wit/deps/clocks",
                    "wit/deps/random",
                    "wit/deps/logging",
                    "wit/deps/config",
                    "wit/deps/http",
                    "wit/deps/keyvalue",
                    "wit/plugin@0.1.0",
                ],
                world: $world,
                with: {
                    "wasm-host:plugin/types@0.1.0": crate::bindings::imports::wasm_host::plugin::types,
                    "wasm-host:plugin/exchange@0.1.0": crate::bindings::imports::wasm_host::plugin::exchange,
                    "wasm-host:plugin/properties@0.1.0": crate::bindings::imports::wasm_host::plugin::properties,
                    "wasm-host:plugin/upstream@0.1.0": crate::bindings::imports::wasm_host::plugin::upstream,
                    "wasm-host:plugin/log@0.1.0": crate::bindings::imports::wasm_host::plugin::log,
                    "wasm-host:plugin/metrics@0.1.0": crate::bindings::imports::wasm_host::plugin::metrics,
                    "wasm-host:plugin/rate-limit@0.1.0": crate::bindings::imports::wasm_host::plugin::rate_limit,
                    "wasm-host:plugin/queue@0.1.0": crate::bindings::imports::wasm_host::plugin::queue,
                    "wasm-host:plugin/http-call@0.1.0": crate::bindings::imports::wasm_host::plugin::http_call,
                    "wasm-host:plugin/kv@0.1.0": crate::bindings::imports::wasm_host::plugin::kv,
                    "wasi:keyvalue/store@0.2.0-draft2": crate::bindings::imports::wasi::keyvalue::store,
                    "wasi:keyvalue/atomics@0.2.0-draft2": crate::bindings::imports::wasi::keyvalue::atomics,
                    "wasi:keyvalue/batch@0.2.0-draft2": crate::bindings::imports::wasi::keyvalue::batch,
                    "wasm-host:plugin/cache@0.1.0": crate::bindings::imports::wasm_host::plugin::cache,
                    "wasi:logging/logging@0.1.0-draft": crate::bindings::imports::wasi::logging::logging,
                    "wasi:config/store@0.2.0-rc.1": crate::bindings::imports::wasi::config::store,
                    "wasi:io/error@0.2.12": crate::bindings::imports::wasi::io::error,
                    "wasi:io/poll@0.2.12": crate::bindings::imports::wasi::io::poll,
                    "wasi:io/streams@0.2.12": crate::bindings::imports::wasi::io::streams,
                    "wasi:http/types@0.2.12": crate::bindings::imports::wasi::http::types,
                    "wasi:http/outgoing-handler@0.2.12": crate::bindings::imports::wasi::http::outgoing_handler,
                    "wasi:clocks/monotonic-clock@0.2.12": crate::bindings::imports::wasi::clocks::monotonic_clock,
                    "wasi:clocks/wall-clock@0.2.12": crate::bindings::imports::wasi::clocks::wall_clock,
                    "wasi:random/random@0.2.12": crate::bindings::imports::wasi::random::random,
                },
                pub_export_macro: true,
                export_macro_name: $export,
            });
        }
    };
}

phase!(configure, "wasm-host:plugin/configure-plugin", "__export_configure");
phase!(request, "wasm-host:plugin/request-plugin", "__export_request");
phase!(request_body, "wasm-host:plugin/request-body-plugin", "__export_request_body");
phase!(response, "wasm-host:plugin/response-plugin", "__export_response");
phase!(response_body, "wasm-host:plugin/response-body-plugin", "__export_response_body");
phase!(error, "wasm-host:plugin/error-plugin", "__export_error");
phase!(tick, "wasm-host:plugin/tick-plugin", "__export_tick");
phase!(complete, "wasm-host:plugin/complete-plugin", "__export_complete");
