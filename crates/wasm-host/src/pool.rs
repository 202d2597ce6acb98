//! The instances of one plugin: who may have one, and which are kept.

mod gate;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;

use self::gate::Entered;
pub(crate) use self::gate::{Gate, Permit};
use crate::{Failure, FailureClass, Limits, per_thread::PerThread, store::Instance};

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
    gate: Arc<Gate>,
    reuse: Option<Reuse>,
    /// A thread finds its own instances warm and its lock free.
    #[expect(clippy::vec_box, reason = "they are boxed before they come and after they go")]
    idle: PerThread<Mutex<Vec<Box<Instance>>>>,
    patience: Duration,
}

impl Pool {
    pub(crate) fn new(policy: &PoolPolicy, limits: &Limits, gate: &Arc<Gate>) -> Self {
        let reuse = match policy {
            PoolPolicy::Fresh => None,
            PoolPolicy::Reuse(reuse) => Some(reuse.clone()),
        };
        Self { gate: Arc::clone(gate), reuse, idle: PerThread::default(), patience: limits.wall }
    }

    /// Waits for a place among the instances at work, no longer than a call may take.
    pub(crate) async fn enter(&self) -> Result<Entered<'_>, Failure> {
        match self.gate.try_enter() {
            Some(entered) => Ok(entered),
            None => self.wait().await,
        }
    }

    #[cold]
    async fn wait(&self) -> Result<Entered<'_>, Failure> {
        let (concurrency, queue) = self.gate.bounds;
        let waiting = self.gate.begin_waiting().ok_or_else(|| {
            Failure::new(
                FailureClass::Saturated,
                format!("{concurrency} instances at work (`limits.concurrency`) and {queue} exchanges waiting (`limits.queue`)"),
            )
        })?;
        let patience = self.patience;
        tokio::time::timeout(patience, waiting.until_entered())
            .await
            .map_err(|_| Failure::new(FailureClass::Saturated, format!("no instance was free within {patience:?}")))
    }

    /// An instance that waits, if one does: this thread's latest first.
    pub(crate) fn take(&self) -> Option<Box<Instance>> {
        let reuse = self.reuse.as_ref()?;
        if self.gate.idle.load(Relaxed) == 0 {
            return None;
        }
        for (distance, shard) in self.idle.own_first().enumerate() {
            loop {
                let instance =
                    if distance == 0 { shard.lock().pop() } else { shard.try_lock().and_then(|mut idle| idle.pop()) };
                let Some(instance) = instance else { break };
                self.gate.idle.fetch_sub(1, Relaxed);
                if fits(&instance, reuse) {
                    return Some(instance);
                }
                instance.retire();
            }
        }
        None
    }

    /// Drops an instance at rest. Whether there was one.
    pub(crate) fn drop_one(&self) -> bool {
        let Some(instance) = self.idle.iter().find_map(|shard| shard.lock().pop()) else { return false };
        self.gate.idle.fetch_sub(1, Relaxed);
        instance.retire();
        true
    }

    /// Keeps an instance that returned cleanly, or drops it: it is at work until it is gone.
    pub(crate) fn put(&self, mut instance: Box<Instance>) {
        let Some(reuse) = self.reuse.as_ref().filter(|reuse| fits(&instance, reuse)) else {
            return instance.retire();
        };
        if self.gate.idle.fetch_add(1, Relaxed) >= reuse.max_idle {
            self.gate.idle.fetch_sub(1, Relaxed);
            return instance.retire();
        }
        // Who comes in next finds it at rest.
        let _entered = instance.permit.give_up(&self.gate);
        let mut idle = self.idle.own().lock();
        idle.push(instance);
        // The oldest rest at the bottom, where nobody takes them from.
        while idle.first().is_some_and(|oldest| !fits(oldest, reuse)) {
            idle.remove(0).retire();
            self.gate.idle.fetch_sub(1, Relaxed);
        }
    }

    /// How many instances are at rest, in about: others come and go meanwhile.
    pub(crate) fn idle_count(&self) -> usize {
        self.gate.idle.load(Relaxed)
    }

    /// How many instances are at work.
    pub(crate) fn active(&self) -> u64 {
        self.gate.active.load(Relaxed).into()
    }

    /// How many exchanges wait for an instance.
    pub(crate) fn waiting(&self) -> u64 {
        self.gate.waiting.load(Relaxed).into()
    }

    /// How many instances are at rest, and their bytes of memory.
    pub(crate) fn idle(&self) -> (u64, u64) {
        self.idle.iter().fold((0, 0), |(count, memory), shard| {
            let shard = shard.lock();
            (count + shard.len() as u64, memory + shard.iter().map(|instance| instance.memory()).sum::<u64>())
        })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.idle.iter().for_each(|shard| shard.lock().drain(..).for_each(|instance| instance.retire()));
    }
}

fn fits(instance: &Instance, reuse: &Reuse) -> bool {
    reuse.max_uses.is_none_or(|uses| instance.uses < uses)
        && reuse.max_age.is_none_or(|age| instance.created.elapsed() < age)
        && reuse.max_memory.is_none_or(|memory| instance.memory() <= memory)
}
