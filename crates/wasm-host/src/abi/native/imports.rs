use crate::abi::component::WASI;

/// The packages the linker has, each with the version it is linked under.
pub(super) const OFFERED: [(&str, &str); 11] = [
    ("wasm-host:plugin/", "0.1.0"),
    ("wasi:logging/", "0.1.0-draft"),
    ("wasi:config/", "0.2.0-rc.1"),
    ("wasi:keyvalue/", "0.2.0-draft2"),
    ("wasi:cli/", WASI),
    ("wasi:clocks/", WASI),
    ("wasi:filesystem/", WASI),
    ("wasi:http/", WASI),
    ("wasi:io/", WASI),
    ("wasi:random/", WASI),
    ("wasi:sockets/", WASI),
];
