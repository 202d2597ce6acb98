//! Threads for guests that compute: a call that computes from one tick to the next goes on there, so that the thread it
//! was made on serves others. A call comes back to its own thread when it waits for the host. These threads give way to
//! others: calls that do not compute come first.

use std::{
    any::Any,
    cell::Cell,
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tokio::{runtime::Handle, sync::oneshot, time};
use tracing::{Dispatch, Span, dispatcher};

use crate::{Phase, priority::give_way};

/// How often a call that is late is looked for again, while a thread has it.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

thread_local! {
    static IS_COMPUTE_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Waits until the call is back on its own thread. What asks a backend does so there: the backend may know the thread, by
/// what it keeps for it.
pub(crate) fn home() -> impl Future<Output = ()> + Send {
    poll_fn(|_| if is_compute_thread() { Poll::Pending } else { Poll::Ready(()) })
}

/// Whether this is one of these threads.
pub(crate) fn is_compute_thread() -> bool {
    IS_COMPUTE_THREAD.get()
}

/// A call that has begun.
pub(crate) type Underway<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The phases of a plugin whose last call computed. The next one begins where that one ended up:
/// otherwise each call of a plugin that always computes would hold a thread for that first tick.
#[derive(Debug, Default)]
pub(crate) struct ComputingPhases(AtomicU16);

impl ComputingPhases {
    pub(crate) fn contains(&self, phase: Phase) -> bool {
        self.0.load(Relaxed) & bit(phase) != 0
    }

    /// Notes how a call went. Nothing is written, and no other thread disturbed, while calls go as they did.
    pub(crate) fn learn(&self, phase: Phase, has_computed: bool) {
        match (self.contains(phase), has_computed) {
            (false, true) => drop(self.0.fetch_or(bit(phase), Relaxed)),
            (true, false) => drop(self.0.fetch_and(!bit(phase), Relaxed)),
            _ => {}
        }
    }
}

fn bit(phase: Phase) -> u16 {
    1 << phase as u16
}

/// As many threads as there are processors, started when they are first needed. They take turns with the calls they have: a
/// slice of each, which ends at the next tick. They end when this is dropped.
pub(crate) struct ComputeThreads(Arc<Queue>);

struct Queue {
    jobs: Mutex<Jobs>,
    has_changed: Condvar,
    bound: usize,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Arc<dyn Job>>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

/// What became of a call on these threads.
pub(crate) enum Computed<T> {
    /// It has ended.
    Done(T),
    /// It is to be polled where it was made: it waits for the host, it is late, or no thread could be had.
    Back(Underway<T>),
}

impl ComputeThreads {
    pub(crate) fn new() -> Self {
        let bound = thread::available_parallelism().map_or(1, |threads| threads.get());
        Self(Arc::new(Queue { jobs: Mutex::default(), has_changed: Condvar::new(), bound }))
    }

    /// Goes on with a call that computes: one whose last poll was pending and `computes`, or that is expected to. It is
    /// late after `time`, and then waits for no turn any more; outside of a tokio runtime it does. Dropping the future
    /// drops the call, and waits for the slice that is under way: a tick, and longer while the thread has no processor.
    pub(crate) async fn go_on<T: Send + 'static>(
        &self,
        call: Underway<T>,
        time: Duration,
        computes: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Computed<T> {
        if let Err(error) = self.0.ensure_thread() {
            tracing::warn!(%error, "no thread for a plugin that computes: it shares the one it was called on");
            return Computed::Back(call);
        }
        let (sender, outcome) = oneshot::channel();
        let job = Arc::new(Call {
            underway: Mutex::new(Some(call)),
            outcome: Mutex::new(Some(sender)),
            computes,
            surroundings: Surroundings::here(),
        });
        let claim = Claim(Arc::clone(&job));
        self.0.push(job);
        match claim.outcome(outcome, time).await {
            Outcome::Done(output) => Computed::Done(output),
            Outcome::Waits(call) => Computed::Back(call),
            Outcome::Panicked(panic) => resume_unwind(panic),
        }
    }
}

impl Drop for ComputeThreads {
    fn drop(&mut self) {
        self.0.jobs.lock().is_closed = true;
        self.0.has_changed.notify_all();
    }
}

impl fmt::Debug for ComputeThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComputeThreads").field("bound", &self.0.bound).finish_non_exhaustive()
    }
}

impl Queue {
    /// Starts another thread when all of them are busy and there may be one. Fails when there is none.
    fn ensure_thread(self: &Arc<Self>) -> io::Result<()> {
        let mut jobs = self.jobs.lock();
        if jobs.idle > jobs.waiting.len() || jobs.threads == self.bound {
            return Ok(());
        }
        let queue = Arc::clone(self);
        match thread::Builder::new().name("wasm-host-compute".into()).spawn(move || queue.work()) {
            Ok(_) => jobs.threads += 1,
            Err(error) if jobs.threads == 0 => return Err(error),
            Err(_) => {}
        }
        Ok(())
    }

    fn push(&self, job: Arc<dyn Job>) {
        self.jobs.lock().waiting.push_back(job);
        self.has_changed.notify_one();
    }

    fn work(&self) {
        IS_COMPUTE_THREAD.set(true);
        give_way();
        while let Some(job) = self.next() {
            if job.compute() {
                self.jobs.lock().waiting.push_back(job);
            }
        }
    }

    fn next(&self) -> Option<Arc<dyn Job>> {
        let mut jobs = self.jobs.lock();
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            if jobs.is_closed {
                return None;
            }
            jobs.idle += 1;
            self.has_changed.wait(&mut jobs);
            jobs.idle -= 1;
        }
    }
}

trait Job: Send + Sync {
    /// One slice. Whether another one is to follow.
    fn compute(&self) -> bool;
}

struct Call<T, C> {
    /// Absent once it has ended, was dropped, or went back.
    underway: Mutex<Option<Underway<T>>>,
    outcome: Mutex<Option<oneshot::Sender<Outcome<T>>>>,
    computes: C,
    surroundings: Surroundings,
}

enum Outcome<T> {
    Done(T),
    /// For the host, or it has waited too long for its turn.
    Waits(Underway<T>),
    Panicked(Box<dyn Any + Send>),
}

impl<T: Send, C: Fn() -> bool + Send + Sync> Job for Call<T, C> {
    fn compute(&self) -> bool {
        let mut slot = self.underway.lock();
        let Some(mut call) = slot.take() else { return false };
        // Nobody need be woken: a call that computes is polled again, and one that waits is polled where it was made.
        let mut context = Context::from_waker(Waker::noop());
        let poll = || self.surroundings.within(|| call.as_mut().poll(&mut context));
        let outcome = match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Ready(output)) => Outcome::Done(output),
            Ok(Poll::Pending) if (self.computes)() => {
                *slot = Some(call);
                return true;
            }
            Ok(Poll::Pending) => Outcome::Waits(call),
            Err(panic) => Outcome::Panicked(panic),
        };
        if let Some(sender) = self.outcome.lock().take() {
            // Who made the call may have left.
            let _ = sender.send(outcome);
        }
        false
    }
}

/// Who waits for a call. It goes when they go.
struct Claim<T, C>(Arc<Call<T, C>>);

impl<T, C> Claim<T, C> {
    /// What a thread makes of the call. Once `time` is over it is taken back as soon as none has it.
    async fn outcome(&self, mut outcome: oneshot::Receiver<Outcome<T>>, time: Duration) -> Outcome<T> {
        let mut patience = time;
        loop {
            let ended = match self.0.surroundings.runtime {
                Some(_) => time::timeout(patience, &mut outcome).await,
                None => Ok((&mut outcome).await),
            };
            match ended {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(gone)) => resume_unwind(Box::new(gone)),
                Err(_) => {}
            }
            if let Some(call) = self.0.underway.try_lock().and_then(|mut call| call.take()) {
                return Outcome::Waits(call);
            }
            patience = LOOK_AGAIN;
        }
    }
}

impl<T, C> Drop for Claim<T, C> {
    fn drop(&mut self) {
        drop(self.0.underway.lock().take());
    }
}

/// What the polls of a call find around them on its own thread.
struct Surroundings {
    runtime: Option<Handle>,
    dispatch: Dispatch,
    span: Span,
}

impl Surroundings {
    fn here() -> Self {
        Self {
            runtime: Handle::try_current().ok(),
            dispatch: dispatcher::get_default(Dispatch::clone),
            span: Span::current(),
        }
    }

    fn within<R>(&self, poll: impl FnOnce() -> R) -> R {
        let _runtime = self.runtime.as_ref().map(Handle::enter);
        dispatcher::with_default(&self.dispatch, || self.span.in_scope(poll))
    }
}

#[cfg(test)]
mod tests;
