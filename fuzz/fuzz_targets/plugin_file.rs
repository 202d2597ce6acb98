//! Any bytes as a plugin's file: an error, never a panic.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wasm_host::PluginEngine;

static ENGINE: LazyLock<PluginEngine> =
    LazyLock::new(|| PluginEngine::builder().max_instances(1).build().expect("an engine"));

fuzz_target!(|bytes: &[u8]| {
    drop(ENGINE.inspect(bytes));
});
