use std::{
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::{CacheStats, CircuitState, FailureClass, Phase, per_thread::PerThread};

/// Who is told of what plugins do, to count it. Called on the request's path: it must not block.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A plugin is loaded, of this ABI, or of none when it has no code: who is told of its calls. A place to make its
    /// counters once.
    fn plugin(&self, name: &str, abi: Option<&'static str>) -> Arc<dyn PluginObserver>;
}

/// Who is told of one plugin's calls.
pub trait PluginObserver: Send + Sync + fmt::Debug {
    /// A call ended, or was not made because the plugin's circuit is open.
    fn executed(&self, execution: &Execution);
}

/// One call of a plugin that ended, or that was not made because the plugin's circuit is open.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Execution {
    /// The phase.
    pub phase: Phase,
    /// How it ended.
    pub outcome: Outcome,
    /// How long the call took, waiting for an instance not included; zero for one that was not made.
    pub duration: Duration,
}

/// How a call of a plugin ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The message goes on.
    Continue,
    /// The plugin answered.
    Respond,
    /// The plugin put something in the place of a piece of a body.
    Replace,
    /// The plugin ended a body.
    Finish,
    /// The plugin broke a body off.
    Reset,
    /// The plugin has the request sent again.
    Retry,
    /// The message goes on past the plugins that would see it next.
    Stop,
    /// The plugin was not called: it takes responses as a whole, and this one streams.
    StreamPassed,
    /// The call failed.
    Failed(FailureClass),
    /// The plugin was not called, because its circuit is open.
    CircuitOpen,
}

impl Outcome {
    /// The name in logs and metrics: that of the variant in lower case (`circuit-open`), or the failure class.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Respond => "respond",
            Self::Replace => "replace",
            Self::Finish => "finish",
            Self::Reset => "reset",
            Self::Retry => "retry",
            Self::Stop => "stop",
            Self::StreamPassed => "stream-passed",
            Self::Failed(class) => class.as_str(),
            Self::CircuitOpen => "circuit-open",
        }
    }
}

#[derive(Debug)]
pub(crate) struct NoObserver;

impl Observer for NoObserver {
    fn plugin(&self, _: &str, _: Option<&'static str>) -> Arc<dyn PluginObserver> {
        Arc::new(NoObserver)
    }
}

impl PluginObserver for NoObserver {
    fn executed(&self, _: &Execution) {}
}

/// What a plugin has done since it was loaded, and what it holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginStats {
    /// Calls that ended, of all phases. Those that were not made, because the circuit was open or a response streamed, are not
    /// among them.
    pub executions: u64,
    /// How long they took together, waiting for an instance not included.
    pub execution_time: Duration,
    /// How long the longest of them took.
    pub longest_execution: Duration,
    /// When the latest of them ended, by the system's clock as it ran when the process first counted.
    pub last_execution: Option<SystemTime>,
    /// Calls that failed, by class; classes that did not happen are absent.
    pub failures: Vec<(FailureClass, u64)>,
    /// Instances that exchanges hold.
    pub active: u64,
    /// Exchanges that wait for an instance.
    pub waiting: u64,
    /// Instances at rest, kept for later exchanges.
    pub idle: u64,
    /// Bytes of linear memory of the idle instances.
    pub idle_memory: u64,
    /// Exchanges that got an idle instance.
    pub pool_hits: u64,
    /// Exchanges that got a new instance.
    pub pool_misses: u64,
    /// Log messages that were dropped because of `limits.log_rate`.
    pub log_dropped: u64,
    /// Its circuit; none for a plugin without a circuit breaker.
    pub circuit: Option<CircuitState>,
    /// Its cache; none for a plugin that is not granted one.
    pub cache: Option<CacheStats>,
}

/// What a plugin has done so far. Each thread counts for itself.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: PerThread<Calls>,
    failures: [AtomicU64; FailureClass::ALL.len()],
}

#[derive(Debug, Default)]
struct Calls {
    ended: AtomicU64,
    nanos: AtomicU64,
    longest_nanos: AtomicU64,
    /// When the last one ended, in nanoseconds after [`ORIGIN`]; 0 before the first one.
    last_nanos: AtomicU64,
    pool_hits: AtomicU64,
    pool_misses: AtomicU64,
}

/// One moment by both clocks: a call reads one of them only.
static ORIGIN: LazyLock<(Instant, SystemTime)> = LazyLock::new(|| (Instant::now(), SystemTime::now()));

/// How long a call took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) duration: Duration,
    pub(crate) ended: Instant,
}

impl Took {
    /// A call that was not made.
    pub(crate) fn nothing() -> Self {
        Self { duration: Duration::ZERO, ended: Instant::now() }
    }
}

impl Counters {
    pub(crate) fn count(&self, outcome: Outcome, Took { duration, ended }: Took) {
        if matches!(outcome, Outcome::CircuitOpen | Outcome::StreamPassed) {
            return;
        }
        let calls = self.calls.own();
        calls.ended.fetch_add(1, Relaxed);
        calls.nanos.fetch_add(nanos(duration), Relaxed);
        if calls.longest_nanos.load(Relaxed) < nanos(duration) {
            calls.longest_nanos.fetch_max(nanos(duration), Relaxed);
        }
        calls.last_nanos.store(nanos(ended.saturating_duration_since(ORIGIN.0)).max(1), Relaxed);
        if let Outcome::Failed(class) = outcome
            && let Some(counter) = self.failures.get(class as usize)
        {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// An exchange got an idle instance, or a new one.
    pub(crate) fn checked_out(&self, is_idle: bool) {
        let calls = self.calls.own();
        let counter = if is_idle { &calls.pool_hits } else { &calls.pool_misses };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> PluginStats {
        let failures = FailureClass::ALL.iter().zip(&self.failures).map(|(class, count)| (*class, count.load(Relaxed)));
        let of_each = |read: fn(&Calls) -> &AtomicU64| self.calls.iter().map(move |calls| read(calls).load(Relaxed));
        let last = of_each(|calls| &calls.last_nanos).max().filter(|nanos| *nanos > 0);
        PluginStats {
            executions: of_each(|calls| &calls.ended).sum(),
            execution_time: Duration::from_nanos(of_each(|calls| &calls.nanos).sum()),
            longest_execution: Duration::from_nanos(of_each(|calls| &calls.longest_nanos).max().unwrap_or(0)),
            last_execution: last.map(|nanos| ORIGIN.1 + Duration::from_nanos(nanos)),
            failures: failures.filter(|(_, count)| *count > 0).collect(),
            pool_hits: of_each(|calls| &calls.pool_hits).sum(),
            pool_misses: of_each(|calls| &calls.pool_misses).sum(),
            ..PluginStats::default()
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_time_of_calls_that_were_made() {
        let counters = Counters::default();
        let took = |millis| Took { duration: Duration::from_millis(millis), ..Took::nothing() };
        counters.count(Outcome::Continue, took(3));
        counters.count(Outcome::Failed(FailureClass::Trap), took(5));
        counters.count(Outcome::CircuitOpen, took(1000));
        counters.count(Outcome::StreamPassed, took(1000));
        let stats = counters.read();
        assert_eq!((stats.executions, stats.failures), (2, vec![(FailureClass::Trap, 1)]));
        assert_eq!(stats.execution_time, Duration::from_millis(8));
        assert_eq!(stats.longest_execution, Duration::from_millis(5));
        assert!(stats.last_execution.unwrap() <= SystemTime::now());
        assert_eq!(Counters::default().read().last_execution, None);
    }
}
