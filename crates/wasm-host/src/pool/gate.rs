//! Counts the instances at work, and lets no more in than may be.

use std::{
    pin::pin,
    sync::atomic::{
        AtomicU32, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};

use tokio::sync::Notify;

use crate::Limits;

/// What every exchange changes is in one cache line, which threads take from each other once on the way in and once on
/// the way out.
#[repr(align(64))]
pub(super) struct Gate {
    /// Instances at work.
    pub(super) active: AtomicU32,
    /// Exchanges that wait to be let in.
    pub(super) waiting: AtomicU32,
    /// Instances at rest.
    pub(super) idle: AtomicUsize,
    /// How many may be at work, and how many may wait.
    pub(super) bounds: (u32, u32),
    left: Notify,
}

impl Gate {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            active: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            idle: AtomicUsize::new(0),
            bounds: (limits.concurrency.max(1), limits.queue),
            left: Notify::new(),
        }
    }

    /// Goes in where there is a place and nobody waits for it.
    pub(super) fn try_enter(&self) -> bool {
        self.waiting.load(SeqCst) == 0 && self.take_place()
    }

    fn take_place(&self) -> bool {
        let (bound, _) = self.bounds;
        self.active.fetch_update(SeqCst, Relaxed, |active| (active < bound).then_some(active + 1)).is_ok()
    }

    pub(super) fn leave(&self) {
        self.active.fetch_sub(1, SeqCst);
        // Who waits counts itself before it looks for a place: one of the two sees the other.
        if self.waiting.load(SeqCst) > 0 {
            self.left.notify_one();
        }
    }

    /// A place in the queue, if there is one.
    pub(super) fn begin_waiting(&self) -> Option<Waiting<'_>> {
        let (_, bound) = self.bounds;
        let place = Waiting(self);
        (self.waiting.fetch_add(1, SeqCst) < bound).then_some(place)
    }
}

/// A place in the queue.
pub(super) struct Waiting<'a>(&'a Gate);

impl Waiting<'_> {
    pub(super) async fn until_entered(self) {
        loop {
            let mut left = pin!(self.0.left.notified());
            // Registered before it looks, each waits for a notice of its own: two that come at once are not taken for one.
            left.as_mut().enable();
            if self.0.take_place() {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    fn gate(concurrency: u32, queue: u32) -> Arc<Gate> {
        Arc::new(Gate::new(&Limits { concurrency, queue, ..Limits::default() }))
    }

    #[test]
    fn those_over_the_queue_are_turned_away() {
        let gate = gate(1, 1);
        assert!(gate.try_enter() && !gate.try_enter());
        let waiting = gate.begin_waiting();
        assert!(waiting.is_some() && gate.begin_waiting().is_none());
        gate.leave();
        assert!(!gate.try_enter(), "somebody waits for the place");
        drop(waiting);
        assert!(gate.try_enter());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_is_forgotten_and_never_are_too_many_in() {
        let gate = gate(2, 1000);
        let visit = |gate: Arc<Gate>| async move {
            for _ in 0..200 {
                if !gate.try_enter() {
                    gate.begin_waiting().unwrap().until_entered().await;
                }
                assert!(gate.active.load(Relaxed) <= 2);
                tokio::task::yield_now().await;
                gate.leave();
            }
        };
        let visits: Vec<_> = (0..16).map(|_| tokio::spawn(visit(Arc::clone(&gate)))).collect();
        for visit in visits {
            tokio::time::timeout(Duration::from_secs(60), visit).await.unwrap().unwrap();
        }
        assert_eq!((gate.active.load(Relaxed), gate.waiting.load(Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn who_stops_waiting_passes_the_place_on() {
        let gate = gate(1, 2);
        assert!(gate.try_enter());
        let mut first = Box::pin(gate.begin_waiting().unwrap().until_entered());
        let mut second = Box::pin(gate.begin_waiting().unwrap().until_entered());
        for waiting in [&mut first, &mut second] {
            assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
        }
        gate.leave();
        drop(first);
        tokio::time::timeout(Duration::from_secs(10), second).await.unwrap();
    }
}
