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
    running_since: AtomicU64,
    /// The clock of the thread at that moment, in nanoseconds, where it is read.
    thread_time_then: AtomicU64,
    /// Nanoseconds that the guest has computed, at most: where the clock of its thread was not read, it may have waited for a
    /// processor.
    cpu_used: AtomicU64,
    /// Those of them of which that clock says so.
    surely_used: AtomicU64,
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
            running_since: AtomicU64::new(0),
            thread_time_then: AtomicU64::new(NOT_READ),
            cpu_used: AtomicU64::new(0),
            surely_used: AtomicU64::new(0),
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
        self.running_since.store(now, Relaxed);
        self.thread_time_then.store(NOT_READ, Relaxed);
        self.cpu_used.store(0, Relaxed);
        self.surely_used.store(0, Relaxed);
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
    /// run.
    pub(crate) fn tick(&self) -> Result<bool, Overrun> {
        self.ticker.guest_runs();
        let now = self.now();
        self.count(now, thread_time());
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
        let computes = self.has_computed();
        self.computes.store(computes, Relaxed);
        Ok(computes)
    }

    /// Whether the last poll of a call was pending because the guest computes.
    pub(crate) fn computes(&self) -> bool {
        self.computes.load(Relaxed)
    }

    /// Whether the call has surely computed for half a tick or longer, as of when it was last interrupted or had to wait. Two
    /// looks are a tick apart, and the thread may have done something else meanwhile.
    pub(crate) fn has_computed(&self) -> bool {
        2 * self.surely_used.load(Relaxed) >= self.tick
    }

    /// The guest runs from now on: what went before, it waited.
    pub(crate) fn go_on(&self) {
        self.ticker.guest_runs();
        self.running_since.store(self.now(), Relaxed);
        let thread_time = if is_compute_thread() { thread_time() } else { None };
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
            self.count(self.now(), if is_read { thread_time() } else { None });
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
    /// being looked at: a longer stretch was spent waiting for a processor.
    fn count(&self, now: u64, thread_time: Option<u64>) {
        let then = self.thread_time_then.swap(thread_time.unwrap_or(NOT_READ), Relaxed);
        let passed = now.saturating_sub(self.running_since.swap(now, Relaxed));
        let (used, is_sure) = match thread_time {
            Some(thread_time) if then != NOT_READ => (thread_time.saturating_sub(then), true),
            _ => (passed.min(self.longest_stretch), !HAS_THREAD_CLOCK),
        };
        self.cpu_used.fetch_add(used, Relaxed);
        if is_sure {
            self.surely_used.fetch_add(used, Relaxed);
        }
    }

    fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }
}

/// Nanoseconds of processor time that this thread has had.
fn thread_time() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
        Some(seconds * 1_000_000_000 + nanos)
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
    use crate::compute::{ComputeThreads, Computed};

    #[tokio::test]
    async fn a_late_call_that_computes_gets_no_further_tick() {
        let meter = Meter::new(EpochTicker::start(Duration::from_millis(1)).unwrap());
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

    #[cfg(target_os = "linux")]
    #[test]
    fn who_waits_for_a_processor_does_not_compute() {
        let tick = Duration::from_millis(1);
        let meter = Meter::new(EpochTicker::start(tick).unwrap());
        meter.start(Duration::from_secs(60), Duration::from_secs(60));
        for _ in 0..3 {
            thread::sleep(3 * tick);
            assert_eq!(meter.tick(), Ok(false));
        }
        let before = thread_time().unwrap();
        while thread_time().unwrap() < before + nanos(tick) {}
        assert_eq!((meter.tick(), meter.has_computed()), (Ok(true), true));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn on_a_compute_thread_only_what_the_thread_has_had_counts() {
        let tick = Duration::from_millis(1);
        let meter = Meter::new(EpochTicker::start(tick).unwrap());
        let call = async move {
            meter.start(2 * tick, Duration::from_secs(60));
            meter.go_on();
            thread::sleep(50 * tick);
            meter.tick()
        };
        let threads = ComputeThreads::new();
        let Computed::Done(ticked) = threads.go_on(Box::pin(call), Duration::from_secs(20), || true).await else {
            panic!("it waits for nothing")
        };
        assert_eq!(ticked, Ok(false));
    }
}
