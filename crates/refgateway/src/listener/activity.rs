//! What one connection is doing, shared between its bytes and its requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    in_flight: AtomicUsize,
    /// Microseconds after `opened` when the head under way began; [`NO_HEAD`] when there is none.
    head: AtomicU64,
    /// The number, from 1, of the first request head with conflicting lengths; 0 when there is none.
    conflicting: AtomicU64,
    served: AtomicU64,
}

const NO_HEAD: u64 = u64::MAX;

/// A request under way on the connection.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            in_flight: AtomicUsize::new(0),
            head: AtomicU64::new(NO_HEAD),
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
        if (self.head.load(Ordering::Relaxed) != NO_HEAD) != in_head {
            let micros = || u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(0);
            self.head.store(if in_head { micros() } else { NO_HEAD }, Ordering::Relaxed);
        }
    }

    /// When the head under way began.
    pub(super) fn head_began(&self) -> Option<Instant> {
        let micros = Some(self.head.load(Ordering::Relaxed)).filter(|micros| *micros != NO_HEAD)?;
        Some(self.opened + Duration::from_micros(micros))
    }

    /// Whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// How many requests there were so far.
    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
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
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
