//! How long a call takes from when its task could run, alone and beside a plugin that spins until its deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

use benches::runtime;
use wasm_host::{ExchangeFacts, Plugin, PluginChain, PluginEngine, PoolPolicy, Reuse};

use crate::{message, pass};

const TIME: Duration = Duration::from_secs(3);

#[derive(Clone, Copy)]
enum Spinner {
    None,
    SameThread,
    OtherThread,
}

pub(crate) fn print() {
    println!("| a filter's call | p50 | p99 | p99.9 |\n| --- | --- | --- | --- |");
    for (name, spinner) in [
        ("alone", Spinner::None),
        ("another plugin spins on another thread", Spinner::OtherThread),
        ("another plugin spins on this thread", Spinner::SameThread),
    ] {
        let mut times = times(spinner);
        times.sort();
        let at = |share: f64| micros(times.get((times.len() as f64 * share) as usize).copied().unwrap());
        println!("| {name} | {} | {} | {} |", at(0.5), at(0.99), at(0.999));
    }
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}

fn times(spinner: Spinner) -> Vec<Duration> {
    let engine = PluginEngine::builder().build().unwrap();
    let runtime = runtime();
    let load = |file: &str, pool| {
        let plugin = Plugin::builder("bench").file(file).pool(pool);
        PluginChain::new([runtime.block_on(plugin.load(&engine)).unwrap()]).unwrap()
    };
    let filter = load(test_guests::NATIVE_FILTER, PoolPolicy::Reuse(Reuse::default()));
    let spinning = load(test_guests::NATIVE_MISBEHAVE, PoolPolicy::Fresh);
    let end = Instant::now() + TIME;
    match spinner {
        Spinner::None => runtime.block_on(calls(&filter, end)),
        Spinner::SameThread => runtime.block_on(async { tokio::join!(calls(&filter, end), spin(&spinning, end)).0 }),
        Spinner::OtherThread => thread::scope(|scope| {
            scope.spawn(|| benches::runtime().block_on(spin(&spinning, end)));
            runtime.block_on(calls(&filter, end))
        }),
    }
}

async fn calls(chain: &PluginChain, end: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let ready = Instant::now();
        tokio::task::yield_now().await;
        pass(chain).await;
        times.push(ready.elapsed());
    }
    times
}

async fn spin(chain: &PluginChain, end: Instant) {
    while Instant::now() < end {
        let mut request = message::request();
        request.headers_mut().insert("x-do", "loop".parse().unwrap());
        let mut exchange = chain.exchange(ExchangeFacts::default());
        drop(exchange.on_request(request).await);
        assert!(!exchange.failures().is_empty());
        tokio::task::yield_now().await;
    }
}
