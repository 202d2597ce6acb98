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

use crate::{compute::compute_time, epoch::EpochTicker, metrics::Took};

/// Stands for the clock of a thread that is not read.
const NOT_READ: u64 = u64::MAX;

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
    cpu_used: AtomicU64,
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

    /// A tick has come while the guest runs: which deadline has passed, if one has. True: it has computed for a tick or
    /// longer, and is to let others run.
    pub(crate) fn tick(&self) -> Result<bool, Overrun> {
        self.ticker.guest_runs();
        let now = self.now();
        let cpu = self.cpu_used.load(Relaxed) + self.stretch(now);
        let cpu_limit = self.cpu_limit.load(Relaxed);
        if cpu > cpu_limit {
            return Err(Overrun::Cpu(Duration::from_nanos(cpu_limit)));
        }
        let wall_limit = self.wall_limit.load(Relaxed);
        if now.saturating_sub(self.started.load(Relaxed)) > wall_limit {
            return Err(Overrun::Wall(Duration::from_nanos(wall_limit)));
        }
        let computes = cpu >= self.tick;
        if computes {
            self.ticker.guest_computes();
        }
        self.computes.store(computes, Relaxed);
        Ok(computes)
    }

    /// Whether the last poll of a call was pending because the guest computes.
    pub(crate) fn computes(&self) -> bool {
        self.computes.load(Relaxed)
    }

    /// Whether the call that ended had computed for a tick or longer when it was last interrupted or had to wait.
    pub(crate) fn has_computed(&self) -> bool {
        self.cpu_used.load(Relaxed) >= self.tick
    }

    /// The guest runs from now on: what went before, it waited.
    pub(crate) fn go_on(&self) {
        self.ticker.guest_runs();
        self.running_since.store(self.now(), Relaxed);
        self.thread_time_then.store(compute_time().unwrap_or(NOT_READ), Relaxed);
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
            let now = self.now();
            self.cpu_used.fetch_add(self.stretch(now), Relaxed);
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

    /// Time that the guest has computed since it went on, by the clock of its thread where that is read. Elsewhere a guest
    /// that runs is looked at now and then: a longer stretch was spent waiting for a processor.
    fn stretch(&self, now: u64) -> u64 {
        let then = self.thread_time_then.load(Relaxed);
        if let Some(thread_time) = compute_time().filter(|_| then != NOT_READ) {
            return thread_time.saturating_sub(then);
        }
        now.saturating_sub(self.running_since.load(Relaxed)).min(self.longest_stretch)
    }

    fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::{cell::Cell, thread};

    use super::*;

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
}
