//! Key-value pairs from guests on all processors, in each store: `kv [SECONDS]`.
//!
//! As many threads as there are processors, each with a runtime of its own as a worker of the gateway has, and on each of
//! them 16 exchanges at once. A call of the guest makes 100 hostcalls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints its result")]

use std::{
    env, thread,
    time::{Duration, Instant},
};

use test_guests::NATIVE_KEEP;
use test_servers::RedisServer;
use wasm_host::{
    Body, ExchangeFacts, Grants, KvGrants, KvStore, Limits, MemoryKv, Plugin, PluginChain, PluginEngine, PoolPolicy,
    RequestOutcome, Reuse,
};
use wasm_host_stores::{RedbKv, Redis, RedisKv};

/// Hostcalls of one call.
const CALLS: u32 = 100;
/// Exchanges at once on one thread.
const EXCHANGES: usize = 16;

fn main() {
    let seconds: u64 = env::args().nth(1).map_or(3, |argument| argument.parse().expect("a number"));
    let time = Duration::from_secs(seconds);
    let threads = thread::available_parallelism().unwrap().get();
    let (directory, server) = (tempfile::tempdir().unwrap(), RedisServer::start());
    println!("{threads} threads, {EXCHANGES} guests on each, {seconds} s each figure: hostcalls a second\n");
    println!("| Store | get | set (100 bytes) | add |\n| --- | --- | --- | --- |");
    measure("memory", MemoryKv::default(), threads, time);
    measure("redb", RedbKv::open(directory.path().join("kv.redb")).unwrap(), threads, time);
    measure("Redis", RedisKv::new(Redis::new(&server.url(), "bench:").unwrap()), threads, time);
}

fn measure(name: &str, store: impl KvStore + 'static, threads: usize, time: Duration) {
    let engine = PluginEngine::builder().kv_store(store).build().unwrap();
    let plugin = runtime().block_on(load(&engine));
    // There is something to get.
    run(&plugin, "set", 1, Duration::ZERO);
    let [get, set, add] = ["get", "set", "add"].map(|what| run(&plugin, what, threads, time));
    println!("| {name} | {get:.0} | {set:.0} | {add:.0} |");
}

async fn load(engine: &PluginEngine) -> Plugin {
    let limits = Limits { cpu: Duration::from_secs(60), wall: Duration::from_secs(600), ..Limits::default() };
    let grants = Grants { kv: KvGrants::own(), ..Grants::default() };
    let builder = Plugin::builder("bench").file(NATIVE_KEEP).grants(grants).limits(limits);
    builder.pool(PoolPolicy::Reuse(Reuse::default())).load(engine).await.unwrap()
}

/// Hostcalls a second, on so many threads.
fn run(plugin: &Plugin, what: &'static str, threads: usize, time: Duration) -> f64 {
    let start = Instant::now();
    let working: Vec<_> = (0..threads)
        .map(|_| {
            let plugin = plugin.clone();
            thread::spawn(move || runtime().block_on(work(plugin, what, start + time)))
        })
        .collect();
    let calls: u64 = working.into_iter().map(|thread| thread.join().unwrap()).sum();
    (calls * u64::from(CALLS)) as f64 / start.elapsed().as_secs_f64()
}

/// Calls the guest until it is time. How often.
async fn work(plugin: Plugin, what: &'static str, until: Instant) -> u64 {
    let tasks: Vec<_> = (0..EXCHANGES)
        .map(|_| {
            let chain = PluginChain::new([plugin.clone()]).unwrap();
            tokio::spawn(async move {
                let mut calls = 0;
                loop {
                    call(&chain, what).await;
                    calls += 1;
                    if Instant::now() >= until {
                        return calls;
                    }
                }
            })
        })
        .collect();
    let mut calls = 0;
    for task in tasks {
        calls += task.await.unwrap();
    }
    calls
}

async fn call(chain: &PluginChain, what: &str) {
    let request = http::Request::get("/").header("x-do", what).header("x-times", CALLS);
    let mut exchange = chain.exchange(ExchangeFacts::default());
    let outcome = exchange.on_request(request.body(Body::empty()).unwrap()).await;
    assert!(matches!(outcome, RequestOutcome::Respond(answer) if answer.status() == 200), "the guest failed");
    exchange.finish();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
