//! What one hostcall of each kind costs, above a hostcall that does nothing: the same guest makes a thousand of them in one
//! call, or none. Interleaved rounds, medians.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::time::{Duration, Instant};

use http::Request;
use tokio::runtime::Runtime;
use wasm_host::{
    Body, ExchangeFacts, Grants, KvGrants, Limits, LogRecord, LogSink, Plugin, PluginChain, PluginEngine, PoolPolicy,
    QueueGrants, RateLimitGrant, RequestOutcome, Reuse,
};

const FLOOR: &str = "nothing";
const CALLS: [&str; 14] = [
    FLOOR,
    "header",
    "property set",
    "property get",
    "log",
    "clock",
    "count",
    "kv get",
    "kv set",
    "kv increment",
    "cache get",
    "cache set",
    "rate limit",
    "queue",
];
const TIMES: u32 = 1000;
const ROUNDS: usize = 15;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let chain = runtime.block_on(chain());
    let rounds: Vec<Vec<f64>> = (0..ROUNDS).map(|_| round(&runtime, &chain)).collect();
    let median = |kind: usize| {
        let mut costs: Vec<_> = rounds.iter().map(|round| round[kind]).collect();
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    };
    println!("{ROUNDS} rounds, {TIMES} hostcalls in a call, medians");
    println!("| hostcall | ns | above the floor |\n| --- | --- | --- |");
    for (kind, call) in CALLS.iter().enumerate() {
        println!("| {call} | {:.0} | {:+.0} |", median(kind), median(kind) - median(0));
    }
}

/// Nanoseconds that one hostcall of each kind takes.
fn round(runtime: &Runtime, chain: &PluginChain) -> Vec<f64> {
    let none = time(runtime, chain, FLOOR, 0);
    let cost = |call: &&str| {
        let spent = time(runtime, chain, call, TIMES).saturating_sub(none);
        spent.as_nanos() as f64 / f64::from(TIMES)
    };
    CALLS.iter().map(cost).collect()
}

fn time(runtime: &Runtime, chain: &PluginChain, call: &str, times: u32) -> Duration {
    let request = Request::builder().uri("/").header("host", "example.test").header("x-call", call);
    let request = request.header("x-times", times).body(Body::empty()).unwrap();
    runtime.block_on(async {
        let mut exchange = chain.exchange(ExchangeFacts::default());
        let start = Instant::now();
        let outcome = exchange.on_request(request).await;
        let spent = start.elapsed();
        assert!(matches!(outcome, RequestOutcome::Continue(_)), "{call}: {:?}", exchange.failures());
        exchange.finish();
        spent
    })
}

/// Takes messages and forgets them: what is measured is the way to the sink.
#[derive(Debug)]
struct Forget;

impl LogSink for Forget {
    fn log(&self, _: &LogRecord<'_>) {}
}

async fn chain() -> PluginChain {
    let engine = PluginEngine::builder().log_sink(Forget).build().unwrap();
    let grants = Grants {
        metrics: true,
        kv: KvGrants::own(),
        cache: true,
        rate_limit: RateLimitGrant::Own,
        queues: QueueGrants { own: true, ..QueueGrants::default() },
        ..Grants::default()
    };
    let limits = Limits {
        hostcalls: u32::MAX,
        cpu: Duration::from_secs(10),
        wall: Duration::from_secs(10),
        log_bytes: 1 << 20,
        log_rate: std::num::NonZeroU32::MAX,
        ..Limits::default()
    };
    let plugin = Plugin::builder("bench").file(test_guests::NATIVE_USE_HOST).grants(grants).limits(limits);
    let plugin = plugin.pool(PoolPolicy::Reuse(Reuse::default())).load(&engine).await.unwrap();
    PluginChain::new([plugin]).unwrap()
}
