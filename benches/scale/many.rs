//! A thousand plugins that are idle: what each holds.

use benches::runtime;
use wasm_host::{Plugin, PluginEngine, PoolPolicy, Reuse};

const PLUGINS: usize = 1_000;

pub(crate) fn print() {
    println!("| {PLUGINS} plugins of one file | resident memory of each |\n| --- | --- |");
    for (name, pool) in
        [("with a fresh instance for each exchange", PoolPolicy::Fresh), ("with one idle instance each", reuse())]
    {
        println!("| {name} | {:.0} KiB |", held_by_each(pool));
    }
}

fn reuse() -> PoolPolicy {
    PoolPolicy::Reuse(Reuse::default())
}

fn held_by_each(pool: PoolPolicy) -> f64 {
    let runtime = runtime();
    let engine = PluginEngine::builder().max_instances(PLUGINS as u32 + 100).build().unwrap();
    let load = |number: usize| {
        let plugin = Plugin::builder(format!("bench-{number}")).file(test_guests::NATIVE_FILTER).pool(pool.clone());
        runtime.block_on(plugin.load(&engine)).unwrap()
    };
    // The first one compiles the code that all have.
    let _first = load(0);
    let before = resident();
    let plugins: Vec<_> = (1..=PLUGINS).map(load).collect();
    let held = resident().saturating_sub(before);
    drop(plugins);
    held as f64 / PLUGINS as f64
}

/// KiB of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
