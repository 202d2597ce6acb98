//! A plugin from its file: compiled, and from the compile cache.

use std::{
    ffi::OsStr,
    path::Path,
    time::{Duration, Instant},
};

use benches::runtime;
use serde_json::Value;
use wasm_host::{Plugin, PluginEngine};

use crate::{ROUNDS, milliseconds};

const PLUGINS: [(&str, &str); 4] = [
    ("native: filter", test_guests::NATIVE_FILTER),
    ("native: bodies", test_guests::NATIVE_BODIES),
    ("AEGIS: filter in C", test_guests::AEGIS_FILTER),
    ("AEGIS: WAF", test_guests::AEGIS_WAF),
];

/// Also of `files`: `FILE.wasm`, or `FILE.wasm=CONFIG.json`.
pub(crate) fn print(files: &[String]) {
    println!("| plugin | file | compiled and loaded | from the compile cache |\n| --- | --- | --- | --- |");
    let built_in = PLUGINS.map(|(name, file)| (name, file, Value::Null));
    for (name, file, config) in built_in.into_iter().chain(files.iter().map(|given| configured(given))) {
        let cache = tempfile::tempdir().unwrap();
        let (mut compiled, mut cached) = (Vec::new(), Vec::new());
        load(PluginEngine::builder().cache_dir(cache.path()).build().unwrap(), file, &config);
        for _ in 0..ROUNDS {
            compiled.push(load(PluginEngine::builder().build().unwrap(), file, &config));
            cached.push(load(PluginEngine::builder().cache_dir(cache.path()).build().unwrap(), file, &config));
        }
        let size = std::fs::metadata(file).unwrap().len().div_ceil(1 << 10);
        println!("| {name} | {size} KiB | {:.1} ms | {:.2} ms |", milliseconds(&compiled), milliseconds(&cached));
    }
}

/// The plugin's name, its file and its configuration.
fn configured(given: &str) -> (&str, &str, Value) {
    let (file, config) = match given.split_once('=') {
        Some((file, config)) => (file, serde_json::from_slice(&std::fs::read(config).unwrap()).unwrap()),
        None => (given, Value::Null),
    };
    (Path::new(file).file_stem().and_then(OsStr::to_str).unwrap(), file, config)
}

/// With an engine that knows nothing of it yet. Its first instance is made and configured too.
fn load(engine: PluginEngine, file: &str, config: &Value) -> Duration {
    let runtime = runtime();
    let start = Instant::now();
    runtime.block_on(Plugin::builder("bench").file(file).config(config.clone()).load(&engine)).unwrap();
    start.elapsed()
}
