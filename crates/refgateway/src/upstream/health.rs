//! Passive health: what the requests themselves show about a server.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Counts failures in a row and leaves the server out for a while after too many.
#[derive(Debug)]
pub struct Health {
    max_failures: u32,
    cooldown: Duration,
    failures: AtomicU32,
    /// Milliseconds on the process's clock; 0 when the server is in.
    out_until: AtomicU64,
}

impl Health {
    /// A server that is in.
    pub fn new(max_failures: u32, cooldown: Duration) -> Self {
        Self { max_failures, cooldown, failures: AtomicU32::new(0), out_until: AtomicU64::new(0) }
    }

    /// Whether requests may be sent. After the cooldown they may again; one more failure and the server is out again.
    pub fn is_in(&self) -> bool {
        let out_until = self.out_until.load(Ordering::Relaxed);
        out_until == 0 || now() >= out_until
    }

    /// A response came.
    pub fn succeeded(&self) {
        // Loads first: the line stays shared between workers while all is well.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.out_until.store(0, Ordering::Relaxed);
        }
    }

    /// No connection, or none that lasted until a response. True when this put the server out.
    pub fn failed(&self) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < self.max_failures {
            return false;
        }
        let was_in = self.is_in();
        let cooldown = u64::try_from(self.cooldown.as_millis()).unwrap_or(u64::MAX);
        self.out_until.store(now().saturating_add(cooldown), Ordering::Relaxed);
        was_in
    }
}

/// Milliseconds on the process's clock, which starts at 1.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_failures_in_a_row_put_it_out() {
        let health = Health::new(2, Duration::from_secs(60));
        assert!(!health.failed());
        health.succeeded();
        assert!(!health.failed());
        assert!(health.failed());
        assert!(!health.is_in());
        health.succeeded();
        assert!(health.is_in());
    }

    #[test]
    fn after_the_cooldown_it_is_tried_again() {
        let health = Health::new(1, Duration::ZERO);
        assert!(health.failed());
        assert!(health.is_in());
    }
}
