//! What came of the requests of one run.

use std::time::Duration;

/// What all clients got.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    times: Vec<Duration>,
    /// Requests without a 200.
    pub(crate) failed: usize,
}

impl Answers {
    /// An answer that took so long, and whether it was a 200.
    pub(crate) fn note(&mut self, took: Duration, is_ok: bool) {
        if is_ok {
            self.times.push(took);
        } else {
            self.failed += 1;
        }
    }

    pub(crate) fn per_second(&self, time: Duration) -> f64 {
        self.times.len() as f64 / time.as_secs_f64()
    }

    /// The time within which each of these shares of the requests was answered.
    pub(crate) fn within<const N: usize>(&self, shares: [f64; N]) -> [Duration; N] {
        let mut times = self.times.clone();
        times.sort_unstable();
        let last = times.len() - 1;
        shares.map(|share| *times.get((last as f64 * share) as usize).unwrap())
    }
}
