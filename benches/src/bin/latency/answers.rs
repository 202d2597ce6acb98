//! What came of the requests of one run.

use std::time::{Duration, Instant};

use crate::stolen::Stolen;

/// What all clients got.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// From when each counts, and how long it took.
    times: Vec<(Instant, Duration)>,
    /// Those that may have been held up by the machine's host, which are not among them.
    held_up: usize,
    /// Requests without a 200.
    pub(crate) failed: usize,
    /// The share of the time that the proxy's processor worked for it.
    pub(crate) busy: f64,
}

impl Answers {
    /// An answer to a request that counts from `since`, and whether it was a 200.
    pub(crate) fn note(&mut self, since: Instant, is_ok: bool) {
        if is_ok {
            self.times.push((since, since.elapsed()));
        } else {
            self.failed += 1;
        }
    }

    /// Leaves out what may have been held up.
    pub(crate) fn leave_out(&mut self, stolen: &Stolen) {
        let all = self.times.len();
        self.times.retain(|(since, _)| !stolen.has_held_up(*since));
        self.held_up += all - self.times.len();
    }

    /// The share that was left out.
    pub(crate) fn held_up(&self) -> f64 {
        self.held_up as f64 / (self.held_up + self.times.len()).max(1) as f64
    }

    pub(crate) fn per_second(&self, time: Duration) -> f64 {
        (self.held_up + self.times.len()) as f64 / time.as_secs_f64()
    }

    /// The time within which each of these shares of the requests was answered; none when all were left out.
    pub(crate) fn within<const N: usize>(&self, shares: [f64; N]) -> Option<[Duration; N]> {
        let mut times: Vec<_> = self.times.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        Some(shares.map(|share| *times.get((last as f64 * share) as usize).unwrap()))
    }
}
