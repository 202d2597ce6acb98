//! One thread, and two at once.

use std::{
    thread,
    time::{Duration, Instant},
};

use benches::runtime;
use wasm_host::{Plugin, PluginChain, PluginEngine, PoolPolicy, Reuse};

use crate::{ROUNDS, pass};

const ROUND: Duration = Duration::from_millis(400);

pub(crate) fn print() {
    println!("| filter | one thread | two threads | as much |\n| --- | --- | --- | --- |");
    let engine = PluginEngine::builder().build().unwrap();
    let cases = [("instance reused", PoolPolicy::Reuse(Reuse::default())), ("instance fresh", PoolPolicy::Fresh)];
    for (name, pool) in cases {
        let plugin = Plugin::builder("bench").file(test_guests::NATIVE_FILTER).pool(pool);
        let chain = PluginChain::new([runtime().block_on(plugin.load(&engine)).unwrap()]).unwrap();
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            one.push(calls_per_second(&chain, 1));
            two.push(calls_per_second(&chain, 2));
        }
        let ratio = benches::median(one.iter().zip(&two).map(|(one, two)| two / one));
        let shown = |figures: Vec<f64>| format!("{:.0} k/s", benches::median(figures.into_iter()) / 1_000.0);
        println!("| {name} | {} | {} | {ratio:.2} × |", shown(one), shown(two));
    }
}

fn calls_per_second(chain: &PluginChain, threads: usize) -> f64 {
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| calls(chain))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn calls(chain: &PluginChain) -> f64 {
    runtime().block_on(async {
        let start = Instant::now();
        let mut calls = 0_u32;
        while start.elapsed() < ROUND {
            for _ in 0..32 {
                pass(chain).await;
            }
            calls += 32;
        }
        f64::from(calls) / start.elapsed().as_secs_f64()
    })
}
