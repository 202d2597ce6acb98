//! Leaves a plugin out for a while when it fails too often.

use std::{
    collections::VecDeque,
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{Failure, FailureClass};

/// When a plugin is not called for a while because it failed too often.
///
/// The circuit of a plugin is closed at first: the plugin is called. When `failures` calls of it have failed within
/// `window`, the circuit opens: the plugin is not called, and each call that would have been made counts as a failure
/// of the class that opened the circuit, so that the plugin's failure policy decides. After `cooldown` it is half-open:
/// one call at a time is made to probe the plugin. One that ends well closes the circuit, and earlier failures are
/// forgotten; one that fails opens it for a whole `cooldown` again; one that is cancelled leaves its place to the next.
///
/// Calls of every phase count. Failures of the classes [`FailureClass::NotLoaded`] and [`FailureClass::Saturated`] do
/// not, and a probe that ends with one decides nothing: they are not the guest's fault, and a busy plugin is not to be
/// taken out of service. Calls that were under way when the circuit opened go on to their end; what becomes of them
/// does not count.
///
/// A plugin that is loaded anew starts with a closed circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Failures within the window that open the circuit. The instants of that many are kept, at most.
    pub failures: NonZeroU32,
    /// How far apart the first and the last of them may be, at most.
    pub window: Duration,
    /// How long the plugin is not called; then it is probed.
    pub cooldown: Duration,
}

impl Default for CircuitBreaker {
    /// Five failures within 10 seconds; 30 seconds of cool-down.
    fn default() -> Self {
        Self {
            failures: NonZeroU32::MIN.saturating_add(4),
            window: Duration::from_secs(10),
            cooldown: Duration::from_secs(30),
        }
    }
}

/// How a plugin's circuit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// The plugin is called.
    Closed,
    /// The plugin is not called.
    Open,
    /// The cool-down is over: one call at a time probes the plugin.
    HalfOpen,
}

impl CircuitState {
    /// The name in configs, logs and metrics: `closed`, `open` or `half-open`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The circuit of one plugin. Cloning is cheap and gives the same circuit.
#[derive(Clone, Debug)]
pub(crate) struct Breaker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    policy: CircuitBreaker,
    plugin: Arc<str>,
    /// Whether the circuit is not closed, for callers that need not know more. Written under the lock; who reads it
    /// late makes a call that another would not have made.
    tripped: AtomicBool,
    circuit: Mutex<Circuit>,
}

#[derive(Debug)]
enum Circuit {
    /// With the instants of the last failures, in order, at most as many as open it.
    Closed(VecDeque<Instant>),
    Open {
        since: Instant,
        class: FailureClass,
        probed: bool,
    },
}

/// Whether a call may be made.
#[derive(Debug)]
pub(crate) enum Admission {
    /// The circuit is closed.
    Allowed,
    /// As the only one for now, to see whether the plugin has recovered.
    Probe(Probe),
    /// No. The failure is of the class that opened the circuit.
    Refused(Failure),
}

impl Breaker {
    pub(crate) fn new(policy: CircuitBreaker, plugin: Arc<str>) -> Self {
        let circuit = Mutex::new(Circuit::Closed(VecDeque::new()));
        Self(Arc::new(Shared { policy, plugin, tripped: AtomicBool::new(false), circuit }))
    }

    /// Whether any call may be made.
    pub(crate) fn is_closed(&self) -> bool {
        !self.0.tripped.load(Relaxed)
    }

    /// Asks for one call, whose end is told to [`succeeded`](Self::succeeded) or [`failed`](Self::failed).
    pub(crate) fn admit(&self, now: Instant) -> Admission {
        if self.is_closed() {
            return Admission::Allowed;
        }
        let class = match &mut *self.0.circuit.lock() {
            Circuit::Closed(_) => return Admission::Allowed,
            Circuit::Open { since, probed, .. } if !*probed && self.is_over(*since, now) => {
                *probed = true;
                return Admission::Probe(Probe(Some(self.clone())));
            }
            Circuit::Open { class, .. } => *class,
        };
        Admission::Refused(Failure::new(
            class,
            format!("not called: the circuit is open since a failure of class {class}"),
        ))
    }

    /// A call ended well. One that was no probe says nothing new.
    pub(crate) fn succeeded(&self, probe: Option<Probe>) {
        if let Some(probe) = probe {
            probe.settle();
            self.0.close();
        }
    }

    /// A call failed.
    pub(crate) fn failed(&self, probe: Option<Probe>, class: FailureClass, now: Instant) {
        if matches!(class, FailureClass::NotLoaded | FailureClass::Saturated) {
            return;
        }
        let was_probe = probe.map(Probe::settle).is_some();
        self.0.failed(was_probe, class, now);
    }

    pub(crate) fn state(&self, now: Instant) -> CircuitState {
        if !self.0.tripped.load(Relaxed) {
            return CircuitState::Closed;
        }
        match *self.0.circuit.lock() {
            Circuit::Closed(_) => CircuitState::Closed,
            Circuit::Open { since, .. } if self.is_over(since, now) => CircuitState::HalfOpen,
            Circuit::Open { .. } => CircuitState::Open,
        }
    }

    fn is_over(&self, since: Instant, now: Instant) -> bool {
        now.saturating_duration_since(since) >= self.0.policy.cooldown
    }
}

impl Shared {
    fn close(&self) {
        let mut circuit = self.circuit.lock();
        *circuit = Circuit::Closed(VecDeque::new());
        self.tripped.store(false, Relaxed);
        drop(circuit);
        tracing::info!(plugin = &*self.plugin, "circuit closed: the plugin is called again");
    }

    fn failed(&self, was_probe: bool, class: FailureClass, now: Instant) {
        let mut circuit = self.circuit.lock();
        let opens = match &mut *circuit {
            Circuit::Closed(failures) => self.is_too_many(failures, now),
            Circuit::Open { .. } => was_probe,
        };
        if opens {
            *circuit = Circuit::Open { since: now, class, probed: false };
            self.tripped.store(true, Relaxed);
            drop(circuit);
            tracing::warn!(
                plugin = &*self.plugin,
                class = class.as_str(),
                cooldown_ms = self.policy.cooldown.as_millis() as u64,
                "circuit open: the plugin failed too often and is not called"
            );
        }
    }

    /// Notes a failure. Threads may come with their instants in another order than they were taken.
    fn is_too_many(&self, failures: &mut VecDeque<Instant>, now: Instant) -> bool {
        failures.insert(failures.partition_point(|known| *known <= now), now);
        let newest = failures.back().copied().unwrap_or(now);
        while failures.front().is_some_and(|first| newest.duration_since(*first) > self.policy.window) {
            failures.pop_front();
        }
        failures.len() >= self.policy.failures.get() as usize
    }
}

/// The one call that may be made of a plugin whose circuit is half-open. Dropped, it leaves its place to the next.
#[derive(Debug)]
pub(crate) struct Probe(Option<Breaker>);

impl Probe {
    /// Keeps the place taken: how the call ended is known, and what follows from it sets the place free.
    fn settle(mut self) {
        self.0 = None;
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let Some(breaker) = &self.0 else { return };
        if let Circuit::Open { probed, .. } = &mut *breaker.0.circuit.lock() {
            *probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering::SeqCst},
        thread,
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TRAP: FailureClass = FailureClass::Trap;

    /// Opens on three failures within 10 seconds, for 30.
    fn breaker() -> (Breaker, Instant) {
        let policy =
            CircuitBreaker { failures: NonZeroU32::new(3).unwrap(), window: 10 * SECOND, cooldown: 30 * SECOND };
        (Breaker::new(policy, "test".into()), Instant::now())
    }

    /// A circuit that a trap has opened just now.
    fn opened() -> (Breaker, Instant) {
        let (breaker, now) = breaker();
        for class in [FailureClass::Memory, FailureClass::Memory, TRAP] {
            breaker.failed(None, class, now);
        }
        (breaker, now)
    }

    fn probe(breaker: &Breaker, now: Instant) -> Probe {
        match breaker.admit(now) {
            Admission::Probe(probe) => probe,
            other => panic!("no probe but {other:?}"),
        }
    }

    fn is_refused(breaker: &Breaker, now: Instant) -> bool {
        matches!(breaker.admit(now), Admission::Refused(failure) if failure.class == TRAP)
    }

    #[test]
    fn opens_with_the_last_failure_that_fits_the_window() {
        for (seconds, state) in [
            ([0, 5, 10], CircuitState::Open),
            ([0, 5, 11], CircuitState::Closed),
            ([10, 0, 5], CircuitState::Open),
            ([0, 11, 0], CircuitState::Closed),
        ] {
            let (breaker, start) = breaker();
            for after in seconds {
                assert!(matches!(breaker.admit(start), Admission::Allowed));
                breaker.failed(None, TRAP, start + after * SECOND);
            }
            assert_eq!(breaker.state(start + 11 * SECOND), state, "{seconds:?}");
        }
    }

    #[test]
    fn the_window_slides() {
        let (breaker, start) = breaker();
        for after in [0, 6, 12, 18, 24] {
            breaker.failed(None, TRAP, start + after * SECOND);
            breaker.succeeded(None);
        }
        assert_eq!(breaker.state(start), CircuitState::Closed);
        breaker.failed(None, TRAP, start + 25 * SECOND);
        assert_eq!(breaker.state(start + 25 * SECOND), CircuitState::Open);
    }

    #[test]
    fn what_is_not_the_guest_s_fault_does_not_count() {
        let (breaker, now) = breaker();
        for _ in 0..10 {
            breaker.failed(None, FailureClass::Saturated, now);
            breaker.failed(None, FailureClass::NotLoaded, now);
        }
        assert_eq!(breaker.state(now), CircuitState::Closed);

        let (breaker, now) = opened();
        let later = now + 30 * SECOND;
        breaker.failed(Some(probe(&breaker, later)), FailureClass::Saturated, later);
        drop(probe(&breaker, later));
    }

    #[test]
    fn an_open_circuit_refuses_with_the_class_that_opened_it() {
        let (breaker, now) = opened();
        assert!(is_refused(&breaker, now) && is_refused(&breaker, now + 29 * SECOND));
        assert_eq!(breaker.state(now + 29 * SECOND), CircuitState::Open);
        assert_eq!(breaker.state(now + 30 * SECOND), CircuitState::HalfOpen);
    }

    #[test]
    fn a_probe_that_ends_well_closes_and_clears() {
        let (breaker, now) = opened();
        let later = now + 30 * SECOND;
        let first = probe(&breaker, later);
        assert!(is_refused(&breaker, later), "one probe at a time");
        breaker.succeeded(Some(first));
        assert_eq!(breaker.state(later), CircuitState::Closed);
        breaker.failed(None, TRAP, later);
        breaker.failed(None, TRAP, later);
        assert!(matches!(breaker.admit(later), Admission::Allowed));
    }

    #[test]
    fn a_probe_that_fails_opens_for_the_whole_cooldown() {
        let (breaker, now) = opened();
        let later = now + 40 * SECOND;
        breaker.failed(Some(probe(&breaker, later)), FailureClass::Hostcall, later);
        let Admission::Refused(failure) = breaker.admit(later + 29 * SECOND) else { panic!("it was admitted") };
        assert_eq!(failure.class, FailureClass::Hostcall);
        drop(probe(&breaker, later + 30 * SECOND));
    }

    #[test]
    fn a_probe_that_is_cancelled_leaves_its_place() {
        let (breaker, now) = opened();
        let later = now + 30 * SECOND;
        drop(probe(&breaker, later));
        assert_eq!(breaker.state(later), CircuitState::HalfOpen);
        drop(probe(&breaker, later));
    }

    #[test]
    fn a_late_end_of_another_call_decides_nothing() {
        let (breaker, now) = opened();
        let later = now + 30 * SECOND;
        let probe = probe(&breaker, later);
        breaker.failed(None, FailureClass::Memory, later);
        breaker.succeeded(None);
        assert_eq!(breaker.state(later), CircuitState::HalfOpen);
        breaker.succeeded(Some(probe));
        assert_eq!(breaker.state(later), CircuitState::Closed);
    }

    #[test]
    fn at_most_one_probe_is_out() {
        let (breaker, now) = opened();
        let later = now + 30 * SECOND;
        let (out, probes) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        if let Admission::Probe(probe) = breaker.admit(later) {
                            assert_eq!(out.fetch_add(1, SeqCst), 0);
                            probes.fetch_add(1, SeqCst);
                            thread::yield_now();
                            out.fetch_sub(1, SeqCst);
                            drop(probe);
                        }
                    }
                });
            }
        });
        assert!(probes.load(SeqCst) > 0);
    }
}
