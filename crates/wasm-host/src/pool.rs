//! The instances of one plugin: who may have one, and which are kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Failure, FailureClass, Limits, store::Instance};

/// What becomes of an instance after an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolPolicy {
    /// It is dropped: nothing of one exchange can reach another. The default.
    #[default]
    Fresh,
    /// It serves further exchanges, when it returned cleanly. What the guest keeps in its memory, the next
    /// exchange's plugin sees: right for a plugin that counts or caches, a risk for one that decides about access.
    Reuse(Reuse),
}

/// How long an instance is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Instances that wait at one moment.
    pub max_idle: usize,
    /// Calls one instance serves; none: no bound.
    pub max_uses: Option<u32>,
    /// How old an instance becomes; none: no bound.
    pub max_age: Option<Duration>,
    /// Bytes of linear memory with which an instance is not kept; none: only the plugin's limit counts.
    pub max_memory: Option<u64>,
}

impl Default for Reuse {
    fn default() -> Self {
        Self { max_idle: 64, max_uses: None, max_age: None, max_memory: None }
    }
}

pub(crate) struct Pool {
    reuse: Option<Reuse>,
    /// One stack for each thread, as far as there are: a thread finds its own instance warm and its lock free.
    idle: Box<[Mutex<Vec<Instance>>]>,
    idle_count: AtomicUsize,
    gate: Arc<Gate>,
    waiting: AtomicU32,
    limits: (u32, u32, Duration),
}

/// Counts the instances at work.
struct Gate {
    permits: Semaphore,
    active: AtomicU64,
}

impl Pool {
    pub(crate) fn new(policy: &PoolPolicy, limits: &Limits) -> Self {
        let reuse = match policy {
            PoolPolicy::Fresh => None,
            PoolPolicy::Reuse(reuse) => Some(reuse.clone()),
        };
        let threads = thread::available_parallelism().map_or(1, |threads| threads.get());
        Self {
            reuse,
            idle: (0..threads).map(|_| Mutex::default()).collect(),
            idle_count: AtomicUsize::new(0),
            gate: Arc::new(Gate {
                permits: Semaphore::new(limits.concurrency.max(1) as usize),
                active: AtomicU64::new(0),
            }),
            waiting: AtomicU32::new(0),
            limits: (limits.concurrency, limits.queue, limits.wall),
        }
    }

    /// Waits for a place among the instances at work, no longer than a call may take.
    pub(crate) async fn enter(&self) -> Result<Permit, Failure> {
        let (concurrency, queue, patience) = self.limits;
        if let Ok(permit) = self.gate.permits.try_acquire() {
            return Ok(Permit::new(&self.gate, permit));
        }
        let _waiting = Waiting::begin(&self.waiting, queue).ok_or_else(|| {
            Failure::new(
                FailureClass::Saturated,
                format!("{concurrency} instances at work (`limits.concurrency`) and {queue} exchanges waiting (`limits.queue`)"),
            )
        })?;
        match tokio::time::timeout(patience, self.gate.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(Permit::new(&self.gate, permit)),
            _ => Err(Failure::new(FailureClass::Saturated, format!("no instance was free within {patience:?}"))),
        }
    }

    /// An instance that waits, if one does: this thread's latest first.
    pub(crate) fn take(&self) -> Option<Instance> {
        if self.idle_count.load(Relaxed) == 0 {
            return None;
        }
        let own = own_index();
        for distance in 0..self.idle.len() {
            let shard = self.idle.get((own + distance) % self.idle.len())?;
            loop {
                let instance =
                    if distance == 0 { shard.lock().pop() } else { shard.try_lock().and_then(|mut idle| idle.pop()) };
                let Some(instance) = instance else { break };
                self.idle_count.fetch_sub(1, Relaxed);
                if self.reuse.as_ref().is_some_and(|reuse| fits(&instance, reuse)) {
                    return Some(instance);
                }
                instance.retire(None);
            }
        }
        None
    }

    /// Drops an instance at rest. Whether there was one.
    pub(crate) fn drop_one(&self) -> bool {
        let Some(instance) = self.idle.iter().find_map(|shard| shard.lock().pop()) else { return false };
        self.idle_count.fetch_sub(1, Relaxed);
        instance.retire(None);
        true
    }

    /// Keeps an instance that returned cleanly, or drops it: it is at work until it is gone.
    pub(crate) fn put(&self, instance: Instance, permit: Option<Permit>) {
        let Some(reuse) = self.reuse.as_ref().filter(|reuse| fits(&instance, reuse)) else {
            return instance.retire(permit);
        };
        if self.idle_count.fetch_add(1, Relaxed) >= reuse.max_idle {
            self.idle_count.fetch_sub(1, Relaxed);
            return instance.retire(permit);
        }
        if let Some(shard) = self.idle.get(own_index() % self.idle.len().max(1)) {
            let mut idle = shard.lock();
            idle.push(instance);
            // The oldest rest at the bottom, where nobody takes them from.
            while idle.first().is_some_and(|oldest| !fits(oldest, reuse)) {
                idle.remove(0).retire(None);
                self.idle_count.fetch_sub(1, Relaxed);
            }
        }
    }

    /// How many instances are at rest, in about: others come and go meanwhile.
    pub(crate) fn idle_count(&self) -> usize {
        self.idle_count.load(Relaxed)
    }

    /// How many instances are at work.
    pub(crate) fn active(&self) -> u64 {
        self.gate.active.load(Relaxed)
    }

    /// How many exchanges wait for an instance.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed).into()
    }

    /// How many instances are at rest, and their bytes of memory.
    pub(crate) fn idle(&self) -> (u64, u64) {
        self.idle.iter().fold((0, 0), |(count, memory), shard| {
            let shard = shard.lock();
            (count + shard.len() as u64, memory + shard.iter().map(Instance::memory).sum::<u64>())
        })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.idle.iter().for_each(|shard| shard.lock().drain(..).for_each(|instance| instance.retire(None)));
    }
}

fn fits(instance: &Instance, reuse: &Reuse) -> bool {
    reuse.max_uses.is_none_or(|uses| instance.uses < uses)
        && reuse.max_age.is_none_or(|age| instance.created.elapsed() < age)
        && reuse.max_memory.is_none_or(|memory| instance.memory() <= memory)
}

/// A number of this thread's own.
fn own_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static INDEX: usize = NEXT.fetch_add(1, Relaxed); }
    INDEX.with(|index| *index)
}

/// Leave to have an instance at work. Dropping it lets the next exchange in.
pub(crate) struct Permit(Arc<Gate>);

impl Permit {
    fn new(gate: &Arc<Gate>, permit: SemaphorePermit<'_>) -> Self {
        permit.forget();
        gate.active.fetch_add(1, Relaxed);
        Self(Arc::clone(gate))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
        self.0.permits.add_permits(1);
    }
}

/// A place in the queue.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicU32, bound: u32) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Relaxed) < bound).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
