//! Counts the instances at work, and lets no more in than may be.

use std::{
    mem,
    pin::pin,
    sync::{
        Arc,
        atomic::{
            AtomicU32, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use tokio::sync::Notify;

use crate::Limits;

/// What every exchange changes is in one cache line, which threads take from each other once on the way in and once on
/// the way out.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Gate {
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
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            active: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            idle: AtomicUsize::new(0),
            bounds: (limits.concurrency.max(1), limits.queue),
            left: Notify::new(),
        }
    }

    /// Goes in where there is a place and nobody waits for it.
    pub(super) fn try_enter(&self) -> Option<Entered<'_>> {
        (self.waiting.load(SeqCst) == 0 && self.take_place()).then(|| Entered(self))
    }

    fn take_place(&self) -> bool {
        let (bound, _) = self.bounds;
        self.active.fetch_update(SeqCst, Relaxed, |active| (active < bound).then_some(active + 1)).is_ok()
    }

    fn leave(&self) {
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

impl<'a> Waiting<'a> {
    pub(super) async fn until_entered(self) -> Entered<'a> {
        loop {
            let mut left = pin!(self.0.left.notified());
            // Registered before it looks, each waits for a notice of its own: two that come at once are not taken for one.
            left.as_mut().enable();
            if self.0.take_place() {
                return Entered(self.0);
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

/// A place that no instance has yet. Dropping it leaves.
pub(crate) struct Entered<'a>(&'a Gate);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The place of an instance among those at work, while it has one. Dropping it leaves. An instance knows its gate from the
/// start, so that no reference is counted when it goes to work.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    is_held: bool,
}

impl Permit {
    /// That of an instance at rest.
    pub(crate) fn none(gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), is_held: false }
    }

    /// Goes to work in a place of the same gate.
    pub(crate) fn hold(&mut self, entered: Entered<'_>) {
        debug_assert!(!self.is_held && std::ptr::eq(entered.0, &*self.gate));
        mem::forget(entered);
        self.is_held = true;
    }

    /// The instance goes to rest. The place in this gate, its own, is left when what this gives is dropped: the instance can be
    /// moved until then.
    pub(super) fn give_up<'a>(&mut self, gate: &'a Gate) -> Option<Entered<'a>> {
        debug_assert!(std::ptr::eq(gate, &*self.gate));
        mem::take(&mut self.is_held).then(|| Entered(gate))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_held {
            self.gate.leave();
        }
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
        let entered = gate.try_enter();
        assert!(entered.is_some() && gate.try_enter().is_none());
        let waiting = gate.begin_waiting();
        assert!(waiting.is_some() && gate.begin_waiting().is_none());
        drop(entered);
        assert!(gate.try_enter().is_none(), "somebody waits for the place");
        drop(waiting);
        assert!(gate.try_enter().is_some());
    }

    #[test]
    fn a_permit_leaves_once() {
        let gate = gate(2, 0);
        let active = || gate.active.load(Relaxed);
        let mut permit = Permit::none(&gate);
        assert!(permit.give_up(&gate).is_none());
        permit.hold(gate.try_enter().unwrap());
        let entered = permit.give_up(&gate);
        drop(permit);
        assert_eq!(active(), 1);
        drop(entered);
        assert_eq!(active(), 0);
        let mut permit = Permit::none(&gate);
        permit.hold(gate.try_enter().unwrap());
        assert_eq!(active(), 1);
        drop(permit);
        assert_eq!(active(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_is_forgotten_and_never_are_too_many_in() {
        let gate = gate(2, 1000);
        let visit = |gate: Arc<Gate>| async move {
            for _ in 0..200 {
                let entered = match gate.try_enter() {
                    Some(entered) => entered,
                    None => gate.begin_waiting().unwrap().until_entered().await,
                };
                assert!(gate.active.load(Relaxed) <= 2);
                tokio::task::yield_now().await;
                drop(entered);
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
        let entered = gate.try_enter().unwrap();
        let mut first = Box::pin(gate.begin_waiting().unwrap().until_entered());
        let mut second = Box::pin(gate.begin_waiting().unwrap().until_entered());
        for waiting in [&mut first, &mut second] {
            assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
        }
        drop(entered);
        drop(first);
        tokio::time::timeout(Duration::from_secs(10), second).await.unwrap();
    }
}
