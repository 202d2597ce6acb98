//! What is measured: the same guest called by bare wasmtime and by a chain, the same filter of each ABI, and bodies that
//! pass a chain, unread and read.
//!
//! Making a request is not part of a case, nor is dropping what is left of it: it is a case of its own.

mod abis;
mod bodies;
mod body;
mod chain;
mod floor;
mod message;

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;
use wasm_host::{Plugin, PluginBuilder, PluginChain, PluginEngine, PoolPolicy, Reuse};

/// Calls between two looks at the clock: few enough for their requests to stay in the cache.
pub(crate) const BATCH: u64 = 32;

/// One thing that is measured.
pub(crate) struct Case {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    /// The case it is compared with.
    #[allow(dead_code, reason = "criterion compares each case with its own past")]
    pub(crate) against: Option<&'static str>,
    /// The body that each call carries, in the cases that are about bodies.
    #[allow(dead_code, reason = "criterion counts calls alone")]
    pub(crate) load: Option<Load>,
    /// Runs it that many times: the time of each batch.
    pub(crate) run: Run,
}

/// A body.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "criterion counts calls alone")]
pub(crate) struct Load {
    pub(crate) bytes: u64,
    /// Frames or events.
    pub(crate) pieces: u64,
    /// Bodies between two looks at the clock.
    pub(crate) batch: u64,
}

pub(crate) type Run = Box<dyn FnMut(&Runtime, Work) -> Vec<Duration>>;

/// How often a case is run.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) iterations: u64,
    /// Makes what the routine takes, and drops it: what is not part of the case.
    pub(crate) prepares_only: bool,
}

impl Work {
    pub(crate) fn of(iterations: u64) -> Self {
        Self { iterations, prepares_only: false }
    }
}

/// Every case, in the order they are printed. What one needs is loaded when it first runs.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = floor::cases();
    cases.extend(chain::cases());
    cases.extend(abis::cases());
    cases.extend(body::cases());
    cases.extend(bodies::cases());
    cases
}

impl Case {
    #[allow(dead_code, reason = "criterion groups the cases")]
    pub(crate) fn full_name(&self) -> String {
        format!("{}: {}", self.group, self.name)
    }
}

/// Whether instructions are counted: a process has less than 100 GiB of addresses then, and nothing may depend on time.
pub(crate) static IS_COUNTED: AtomicBool = AtomicBool::new(false);

/// The engine of all cases. What it compiles it keeps between runs.
fn engine() -> PluginEngine {
    static ENGINE: LazyLock<PluginEngine> = LazyLock::new(|| {
        let cache = benches::root().join("target/bench-cache");
        let mut builder = PluginEngine::builder().cache_dir(cache);
        if IS_COUNTED.load(Relaxed) {
            builder = builder.max_instances(6).tick(Duration::from_secs(3600));
        }
        builder.build().unwrap()
    });
    ENGINE.clone()
}

/// A chain of this one plugin.
fn chain_of(runtime: &Runtime, plugin: PluginBuilder) -> PluginChain {
    PluginChain::new([runtime.block_on(plugin.load(&engine())).unwrap()]).unwrap()
}

fn reused(file: &str) -> PluginBuilder {
    Plugin::builder("bench").file(file).pool(PoolPolicy::Reuse(Reuse::default()))
}

fn fresh(file: &str) -> PluginBuilder {
    Plugin::builder("bench").file(file).pool(PoolPolicy::Fresh)
}

/// Times `routine` in batches; `prepare`, and dropping the results, are outside of the time.
async fn measured<I, O>(
    Work { iterations, prepares_only }: Work,
    batch: u64,
    mut prepare: impl AsyncFnMut() -> I,
    mut routine: impl AsyncFnMut(I) -> O,
) -> Vec<Duration> {
    let mut batches = Vec::new();
    let mut inputs = Vec::new();
    let mut results = Vec::with_capacity(batch as usize);
    let mut left = iterations;
    while left > 0 {
        let count = left.min(batch);
        for _ in 0..count {
            inputs.push(prepare().await);
        }
        if prepares_only {
            inputs.clear();
        }
        let start = Instant::now();
        for input in inputs.drain(..) {
            results.push(routine(input).await);
        }
        batches.push(start.elapsed());
        results.clear();
        left -= count;
    }
    batches
}
