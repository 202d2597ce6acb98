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

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

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

pub(crate) type Run = Box<dyn FnMut(&Runtime, u64) -> Vec<Duration>>;

/// Every case, in the order they are printed.
pub(crate) fn all(runtime: &Runtime) -> Vec<Case> {
    let mut cases = floor::cases(runtime);
    cases.extend(chain::cases(runtime));
    cases.extend(abis::cases(runtime));
    cases.extend(body::cases(runtime));
    cases.extend(bodies::cases(runtime));
    cases
}

/// Times `routine` in batches; `prepare`, and dropping the results, are outside of the time.
async fn measured<I, O>(
    iterations: u64,
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
