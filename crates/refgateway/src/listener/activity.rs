//! What one connection is doing, shared between its bytes and its requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// What one connection is doing, and since when.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    in_flight: AtomicUsize,
    in_head: AtomicBool,
    /// Microseconds after `opened` when the head began or the last request ended.
    since: AtomicU64,
    /// The number, from 1, of the first request head with conflicting lengths; 0 when there is none.
    conflicting: AtomicU64,
    served: AtomicU64,
}

/// How long a connection may wait for its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a request's head to its last.
    pub(super) head: Duration,
    /// Without a request.
    pub(super) idle: Duration,
}

/// A request under way on the connection.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            in_flight: AtomicUsize::new(0),
            in_head: AtomicBool::new(false),
            since: AtomicU64::new(0),
            conflicting: AtomicU64::new(0),
            served: AtomicU64::new(0),
        }
    }

    /// Counts a request in.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.served.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Notes whether a request head has begun and not ended.
    pub(super) fn set_in_head(&self, in_head: bool) {
        if self.in_head.load(Ordering::Relaxed) != in_head {
            self.in_head.store(in_head, Ordering::Relaxed);
            self.restart();
        }
    }

    /// Notes that the head with this number has conflicting lengths.
    pub(super) fn conflict(&self, head: u64) {
        if self.conflicting.load(Ordering::Relaxed) == 0 {
            self.conflicting.store(head, Ordering::Relaxed);
        }
    }

    /// Whether the request counted in last is one with conflicting lengths, or comes after one: nobody knows where that began.
    pub(super) fn is_conflicting(&self) -> bool {
        let conflicting = self.conflicting.load(Ordering::Relaxed);
        conflicting != 0 && self.served.load(Ordering::Relaxed) >= conflicting
    }

    /// Resolves when the client has used up the patience there is with it.
    ///
    /// Looks twice per head timeout instead of setting a timer for each request: it may be late by half of it.
    pub(super) async fn exhausted(&self, patience: Patience) {
        while let Some(left) = self.left(patience) {
            tokio::time::sleep(left.min(patience.head / 2)).await;
        }
    }

    fn left(&self, patience: Patience) -> Option<Duration> {
        let allowed = if self.in_head.load(Ordering::Relaxed) {
            patience.head
        } else if self.in_flight.load(Ordering::Relaxed) > 0 {
            return Some(patience.idle);
        } else {
            patience.idle
        };
        let since = Duration::from_micros(self.since.load(Ordering::Relaxed));
        let waited = self.opened.elapsed().saturating_sub(since);
        allowed.checked_sub(waited).filter(|left| !left.is_zero())
    }

    fn restart(&self) {
        let now = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.since.store(now, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.restart();
        }
    }
}
