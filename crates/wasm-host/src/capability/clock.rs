use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use governor::nanos::Nanos;
use parking_lot::Mutex;

/// Where guests, and what the host keeps for them, take the time from.
///
/// Deadlines of calls and waiting are not affected: they follow the time that really passes.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time of day. May be set back.
    fn wall(&self) -> SystemTime;

    /// Time since a moment of the clock's choice. Never goes back.
    fn monotonic(&self) -> Duration;
}

/// The default: the clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that stands still until it is told to go on: with [`random_seed`] a run of plugins can be repeated exactly.
///
/// Cloning gives the same clock.
///
/// [`random_seed`]: crate::PluginEngineBuilder::random_seed
#[derive(Clone, Debug)]
pub struct ManualClock {
    start: SystemTime,
    passed: Arc<Mutex<Duration>>,
}

impl ManualClock {
    /// A clock that shows this time.
    pub fn new(start: SystemTime) -> Self {
        Self { start, passed: Arc::default() }
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let mut passed = self.passed.lock();
        *passed = passed.saturating_add(by);
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        let passed = *self.passed.lock();
        self.start.checked_add(passed).unwrap_or(self.start)
    }

    fn monotonic(&self) -> Duration {
        *self.passed.lock()
    }
}

/// The clock of the engine, as `governor` takes it.
#[derive(Clone, Debug)]
pub(crate) struct RateClock(pub(crate) Arc<dyn Clock>);

impl governor::clock::Clock for RateClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.monotonic().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_when_it_is_told_to() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let clock = ManualClock::new(start);
        let same = clock.clone();
        assert_eq!((same.wall(), same.monotonic()), (start, Duration::ZERO));
        clock.advance(Duration::from_secs(5));
        assert_eq!((same.wall(), same.monotonic()), (start + Duration::from_secs(5), Duration::from_secs(5)));
    }
}
