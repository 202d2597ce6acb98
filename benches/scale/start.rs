//! A plugin from its file: compiled, and from the compile cache; and what it takes to start its instances.

use std::{
    ffi::OsStr,
    path::Path,
    time::{Duration, Instant},
};

use benches::runtime;
use serde_json::Value;
use wasm_host::{Plugin, PluginChain, PluginEngine};

use crate::{ROUNDS, call, milliseconds};

/// Between two looks at the clock.
const EXCHANGES: u32 = 1_000;

const PLUGINS: [(&str, &str); 4] = [
    ("native: filter", test_guests::NATIVE_FILTER),
    ("native: bodies", test_guests::NATIVE_BODIES),
    ("AEGIS: filter in C", test_guests::AEGIS_FILTER),
    ("AEGIS: WAF", test_guests::AEGIS_WAF),
];

/// Also of `files`: `FILE.wasm`, or `FILE.wasm=CONFIG.json`.
pub(crate) fn print(files: &[String]) {
    println!(
        "| plugin | file | compiled and loaded | from the compile cache | an exchange on a fresh instance |\n\
         | --- | --- | --- | --- | --- |"
    );
    let built_in = PLUGINS.map(|(name, file)| (name, file, Value::Null));
    for (name, file, config) in built_in.into_iter().chain(files.iter().map(|given| configured(given))) {
        let cache = tempfile::tempdir().unwrap();
        let (mut compiled, mut cached, mut exchanges) = (Vec::new(), Vec::new(), Vec::new());
        load(PluginEngine::builder().cache_dir(cache.path()).build().unwrap(), file, &config);
        for _ in 0..ROUNDS {
            let (plugin, took) = load(PluginEngine::builder().build().unwrap(), file, &config);
            compiled.push(took);
            exchanges.push(exchange(plugin));
            cached.push(load(PluginEngine::builder().cache_dir(cache.path()).build().unwrap(), file, &config).1);
        }
        let size = std::fs::metadata(file).unwrap().len().div_ceil(1 << 10);
        let [compiled, cached, exchange] = [compiled, cached, exchanges].map(|times| milliseconds(&times));
        println!("| {name} | {size} KiB | {compiled:.1} ms | {cached:.2} ms | {:.1} µs |", exchange * 1_000.0);
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
fn load(engine: PluginEngine, file: &str, config: &Value) -> (Plugin, Duration) {
    let runtime = runtime();
    let start = Instant::now();
    let plugin = runtime.block_on(Plugin::builder("bench").file(file).config(config.clone()).load(&engine)).unwrap();
    (plugin, start.elapsed())
}

/// One of many, each with its request and on an instance of its own, whatever the plugin says to it.
fn exchange(plugin: Plugin) -> Duration {
    let chain = PluginChain::new([plugin]).unwrap();
    runtime().block_on(async {
        let start = Instant::now();
        for _ in 0..EXCHANGES {
            drop(call(&chain).await);
        }
        start.elapsed() / EXCHANGES
    })
}
