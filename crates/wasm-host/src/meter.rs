//! Deadlines of one call: CPU time and wall-clock time, without a timer for the calls that are quick.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
    time::{Duration, Instant},
};

use crate::{compute::is_compute_thread, epoch::EpochTicker, metrics::Took};

/// Stands for the clock of a thread that is not read.
const NOT_READ: u64 = u64::MAX;
/// Elsewhere what passes counts for what a guest has computed.
const HAS_THREAD_CLOCK: bool = cfg!(target_os = "linux");

/// A call went past a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overrun {
    #[error("computed longer than {0:?}")]
    Cpu(Duration),
    #[error("took longer than {0:?}")]
    Wall(Duration),
}

/// The clock of one instance. The call's driver and the epoch callback share it.
#[derive(Debug)]
pub(crate) struct Meter {
    origin: Instant,
    /// It looks at a running guest.
    ticker: Arc<EpochTicker>,
    /// Nanoseconds from one of its ticks to the next.
    tick: u64,
    /// Nanoseconds that a guest can run without being looked at.
    longest_stretch: u64,
    started: AtomicU64,
    counted_until: AtomicU64,
    /// The clock of the thread at that moment, in nanoseconds, where it was read.
    thread_time_then: AtomicU64,
    /// Nanoseconds that the guest has computed, at most: where the clock of its thread was not read, it may have waited for a
    /// processor.
    cpu_used: AtomicU64,
    /// Those of them that it surely has computed.
    surely_used: AtomicU64,
    has_computed: AtomicBool,
    cpu_limit: AtomicU64,
    wall_limit: AtomicU64,
    /// The guest was interrupted to let others run, and waits for nothing.
    computes: AtomicBool,
}

impl Meter {
    pub(crate) fn new(ticker: Arc<EpochTicker>) -> Self {
        Self {
            origin: Instant::now(),
            tick: nanos(ticker.tick()),
            longest_stretch: nanos(ticker.longest_pause()),
            ticker,
            started: AtomicU64::new(0),
            counted_until: AtomicU64::new(0),
            thread_time_then: AtomicU64::new(NOT_READ),
            cpu_used: AtomicU64::new(0),
            surely_used: AtomicU64::new(0),
            has_computed: AtomicBool::new(false),
            cpu_limit: AtomicU64::new(0),
            wall_limit: AtomicU64::new(0),
            computes: AtomicBool::new(false),
        }
    }

    /// Starts the deadlines of one call.
    pub(crate) fn start(&self, cpu: Duration, wall: Duration) {
        self.ticker.guest_runs();
        let now = self.now();
        self.started.store(now, Relaxed);
        self.counted_until.store(now, Relaxed);
        self.thread_time_then.store(NOT_READ, Relaxed);
        self.cpu_used.store(0, Relaxed);
        self.surely_used.store(0, Relaxed);
        self.has_computed.store(false, Relaxed);
        self.computes.store(false, Relaxed);
        self.cpu_limit.store(nanos(cpu), Relaxed);
        self.wall_limit.store(nanos(wall), Relaxed);
    }

    fn wall_limit(&self) -> Duration {
        Duration::from_nanos(self.wall_limit.load(Relaxed))
    }

    /// Wall-clock time that is left, from now on.
    pub(crate) fn wall_left(&self) -> Duration {
        let spent = self.now().saturating_sub(self.started.load(Relaxed));
        Duration::from_nanos(self.wall_limit.load(Relaxed).saturating_sub(spent))
    }

    /// Wall-clock time since the start.
    pub(crate) fn took(&self) -> Took {
        let now = self.now();
        Took {
            duration: Duration::from_nanos(now.saturating_sub(self.started.load(Relaxed))),
            ended: self.origin + Duration::from_nanos(now),
        }
    }

    /// A tick has come while the guest runs: which deadline has passed, if one has. True: it computes, and is to let others
    /// run. So it does when it surely has for a tick in all, or for half of one since it was last looked at. A first look is
    /// sure of nothing: the guest may have lost its processor, and the clock of its thread is read from then on.
    pub(crate) fn tick(&self) -> Result<bool, Overrun> {
        self.ticker.guest_runs();
        let now = self.now();
        let lately = self.count(now, thread_time());
        let (cpu, cpu_limit) = (self.cpu_used.load(Relaxed), self.cpu_limit.load(Relaxed));
        if cpu > cpu_limit {
            return Err(Overrun::Cpu(Duration::from_nanos(cpu_limit)));
        }
        let wall_limit = self.wall_limit.load(Relaxed);
        if now.saturating_sub(self.started.load(Relaxed)) > wall_limit {
            return Err(Overrun::Wall(Duration::from_nanos(wall_limit)));
        }
        if cpu >= self.tick {
            self.ticker.guest_computes();
        }
        let computes = 2 * lately >= self.tick || self.surely_used.load(Relaxed) >= self.tick;
        self.computes.store(computes, Relaxed);
        if computes {
            self.has_computed.store(true, Relaxed);
        }
        Ok(computes)
    }

    /// Whether the last poll of a call was pending because the guest computes.
    pub(crate) fn computes(&self) -> bool {
        self.computes.load(Relaxed)
    }

    /// Whether a tick has found that the call computes.
    pub(crate) fn has_computed(&self) -> bool {
        self.has_computed.load(Relaxed)
    }

    /// The guest runs from now on: what went before, it waited. The clock of the thread is a system call, for those who may
    /// have computed already.
    pub(crate) fn go_on(&self) {
        self.ticker.guest_runs();
        self.counted_until.store(self.now(), Relaxed);
        let is_read = is_compute_thread() || self.cpu_used.load(Relaxed) >= self.tick;
        let thread_time = is_read.then(thread_time).flatten();
        self.thread_time_then.store(thread_time.unwrap_or(NOT_READ), Relaxed);
        self.computes.store(false, Relaxed);
    }

    /// Drives a call to its end or to its wall-clock deadline. A call that never waits arms no timer.
    pub(crate) async fn drive<T>(&self, call: impl Future<Output = T>) -> Result<T, Overrun> {
        let mut call = pin!(call);
        let mut timer: Option<Pin<Box<tokio::time::Sleep>>> = None;
        let mut has_paused = false;
        poll_fn(|cx| {
            if has_paused {
                if self.computes() && self.wall_left().is_zero() {
                    // The guest itself would be looked at only after another tick.
                    return Poll::Ready(Err(Overrun::Wall(self.wall_limit())));
                }
                self.go_on();
            }
            if let Poll::Ready(output) = call.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let is_read = self.thread_time_then.load(Relaxed) != NOT_READ;
            self.count(self.now(), is_read.then(thread_time).flatten());
            has_paused = true;
            if self.computes() {
                // It is polled again at once, and looked at on the next tick.
                return Poll::Pending;
            }
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.wall_left())));
            timer.as_mut().poll(cx).map(|()| Err(Overrun::Wall(self.wall_limit())))
        })
        .await
    }

    /// Counts what the guest has computed since it was last counted or went on: by the clock of its thread, when that was
    /// read then and is now. Otherwise it is what has passed, and no more than for how long a guest that runs goes without
    /// being looked at: a longer stretch was spent waiting for a processor. What it is by that clock.
    fn count(&self, now: u64, thread_time: Option<u64>) -> u64 {
        let then = self.thread_time_then.swap(thread_time.unwrap_or(NOT_READ), Relaxed);
        let passed = now.saturating_sub(self.counted_until.swap(now, Relaxed));
        let by_clock = thread_time.filter(|_| then != NOT_READ).map(|thread_time| thread_time.saturating_sub(then));
        let used = by_clock.unwrap_or(passed.min(self.longest_stretch));
        self.cpu_used.fetch_add(used, Relaxed);
        if by_clock.is_some() || !HAS_THREAD_CLOCK {
            self.surely_used.fetch_add(used, Relaxed);
        }
        by_clock.unwrap_or(0)
    }

    fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }
}

/// Nanoseconds of processor time that this thread has had.
fn thread_time() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
        Some(nanos(time.into()))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use std::{cell::Cell, thread};

    use super::*;
    #[cfg(target_os = "linux")]
    use crate::compute::{ComputeThreads, Computed};

    const TICK: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_late_call_that_computes_gets_no_further_tick() {
        let meter = Meter::new(EpochTicker::start(TICK).unwrap());
        let wall = Duration::from_millis(10);
        meter.start(Duration::from_secs(60), wall);
        let polls = Cell::new(0);
        let mut driven = pin!(meter.drive(poll_fn(|_| {
            polls.set(polls.get() + 1);
            meter.computes.store(true, Relaxed);
            Poll::<()>::Pending
        })));
        let mut poll = async || poll_fn(|cx| Poll::Ready(driven.as_mut().poll(cx))).await;
        assert_eq!(poll().await, Poll::Pending);
        thread::sleep(2 * wall);
        assert_eq!(poll().await, Poll::Ready(Err(Overrun::Wall(wall))));
        assert_eq!(polls.get(), 1);
    }

    /// In a call that may compute for so long.
    #[cfg(target_os = "linux")]
    fn started(cpu: Duration) -> Meter {
        let meter = Meter::new(EpochTicker::start(TICK).unwrap());
        meter.start(cpu, Duration::from_secs(60));
        meter
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_waits_for_a_processor_does_not_compute() {
        let meter = started(Duration::from_secs(60));
        for _ in 0..3 {
            thread::sleep(3 * TICK);
            assert_eq!(meter.tick(), Ok(false));
        }
        compute(TICK);
        assert_eq!((meter.tick(), meter.has_computed()), (Ok(true), true));
    }

    /// For so long, by the thread's clock.
    #[cfg(target_os = "linux")]
    fn compute(time: Duration) {
        let before = thread_time().unwrap();
        while thread_time().unwrap() < before + nanos(time) {}
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_short_wait_does_not_hide_that_a_call_computes() {
        let meter = started(Duration::from_secs(60));
        compute(2 * TICK);
        assert_eq!(meter.tick(), Ok(false));
        meter.go_on();
        compute(TICK);
        assert_eq!(meter.tick(), Ok(true));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn on_a_compute_thread_only_what_the_thread_has_had_counts() {
        let meter = started(2 * TICK);
        let call = async move {
            meter.go_on();
            thread::sleep(50 * TICK);
            meter.tick()
        };
        let threads = ComputeThreads::new();
        let Computed::Done(ticked) = threads.go_on(Box::pin(call), Duration::from_secs(20), || true).await else {
            panic!("it waits for nothing")
        };
        assert_eq!(ticked, Ok(false));
    }
}
