//! A plugin from its file: compiled, and from the compile cache.

use std::{
    ffi::OsStr,
    path::Path,
    time::{Duration, Instant},
};

use benches::runtime;
use wasm_host::{Plugin, PluginEngine};

use crate::{ROUNDS, milliseconds};

const PLUGINS: [(&str, &str); 4] = [
    ("native: filter", test_guests::NATIVE_FILTER),
    ("native: bodies", test_guests::NATIVE_BODIES),
    ("AEGIS: filter in C", test_guests::AEGIS_FILTER),
    ("AEGIS: WAF", test_guests::AEGIS_WAF),
];

/// Also of `files`, which need no configuration.
pub(crate) fn print(files: &[String]) {
    println!("| plugin | file | compiled and loaded | from the compile cache |\n| --- | --- | --- | --- |");
    let files = files.iter().map(|file| (Path::new(file).file_stem().and_then(OsStr::to_str).unwrap(), &**file));
    for (name, file) in PLUGINS.into_iter().chain(files) {
        let cache = tempfile::tempdir().unwrap();
        let (mut compiled, mut cached) = (Vec::new(), Vec::new());
        load(PluginEngine::builder().cache_dir(cache.path()).build().unwrap(), file);
        for _ in 0..ROUNDS {
            compiled.push(load(PluginEngine::builder().build().unwrap(), file));
            cached.push(load(PluginEngine::builder().cache_dir(cache.path()).build().unwrap(), file));
        }
        let size = std::fs::metadata(file).unwrap().len().div_ceil(1 << 10);
        println!("| {name} | {size} KiB | {:.1} ms | {:.2} ms |", milliseconds(&compiled), milliseconds(&cached));
    }
}

/// With an engine that knows nothing of it yet. Its first instance is made and configured too.
fn load(engine: PluginEngine, file: &str) -> Duration {
    let runtime = runtime();
    let start = Instant::now();
    runtime.block_on(Plugin::builder("bench").file(file).load(&engine)).unwrap();
    start.elapsed()
}
