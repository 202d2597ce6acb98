//! What plugins do, as Prometheus metrics. Counters are made once a plugin, not once a call.

use std::{collections::HashMap, sync::Arc};

use metrics::{Counter, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use parking_lot::Mutex;
use wasm_host::{
    CacheStats, CircuitState, Execution, Observer, Outcome, Phase, Plugin, PluginEngine, PluginObserver, PluginStats,
};

use super::edge_functions::{self, EdgeFunction};

const GAUGES: [&str; 4] = [
    "wasm_plugin_memory_bytes",
    "wasm_plugin_instances_active",
    "wasm_plugin_instances_idle",
    "wasm_plugin_queue_length",
];

type Read = fn(&PluginStats) -> u64;

/// Counters that the plugin itself keeps.
const COUNTERS: [(&str, Read); 8] = [
    ("wasm_plugin_pool_hits_total", |stats| stats.pool_hits),
    ("wasm_plugin_pool_misses_total", |stats| stats.pool_misses),
    ("wasm_plugin_log_dropped_total", |stats| stats.log_dropped),
    ("wasm_plugin_cache_hits_total", |stats| cache_of(stats).hits),
    ("wasm_plugin_cache_misses_total", |stats| cache_of(stats).misses),
    ("wasm_plugin_cache_stale_total", |stats| cache_of(stats).stale),
    ("wasm_plugin_cache_stores_total", |stats| cache_of(stats).stores),
    ("wasm_plugin_cache_evictions_total", |stats| cache_of(stats).evictions),
];

const CIRCUIT: &str = "wasm_plugin_circuit_state";
const CACHE_BYTES: &str = "wasm_plugin_cache_bytes";

const COMPILATIONS: &str = "wasm_compilations_total";

/// Says what each metric is.
pub(crate) fn describe_metrics() {
    describe_counter!(
        "wasm_plugin_executions_total",
        "Calls of a plugin that ended, or that an open circuit refused, by phase and outcome."
    );
    describe_histogram!("wasm_plugin_execution_duration_seconds", "How long calls of a plugin took, by phase.");
    describe_counter!("wasm_plugin_errors_total", "Failed calls of a plugin, by class.");
    describe_gauge!("wasm_plugin_memory_bytes", "Linear memory of a plugin's idle instances.");
    describe_gauge!("wasm_plugin_instances_active", "Instances of a plugin that exchanges hold.");
    describe_gauge!("wasm_plugin_instances_idle", "Instances of a plugin at rest, kept for later exchanges.");
    describe_gauge!("wasm_plugin_queue_length", "Exchanges that wait for an instance of a plugin.");
    describe_gauge!(CIRCUIT, "The circuit of a plugin with a circuit breaker: 0 closed, 1 half-open, 2 open.");
    describe_counter!("wasm_plugin_log_dropped_total", "Log messages of a plugin over its `limits.log_rate`.");
    describe_counter!("wasm_plugin_pool_hits_total", "Exchanges that got an idle instance of a plugin.");
    describe_counter!("wasm_plugin_pool_misses_total", "Exchanges that got a new instance of a plugin.");
    describe_counter!(COMPILATIONS, "How often code of plugins was compiled.");
    describe_gauge!(CACHE_BYTES, "What a plugin keeps in the cache.");
    describe_counter!("wasm_plugin_cache_hits_total", "Look-ups of a plugin that found a fresh entry of the cache.");
    describe_counter!("wasm_plugin_cache_misses_total", "Look-ups of a plugin that found no entry of the cache.");
    describe_counter!("wasm_plugin_cache_stale_total", "Look-ups of a plugin that found a stale entry of the cache.");
    describe_counter!("wasm_plugin_cache_stores_total", "Entries that a plugin stored in the cache.");
    describe_counter!("wasm_plugin_cache_evictions_total", "Entries of a plugin that the cache dropped to make room.");
}

/// Sets the count of compilations, which the engine has.
pub(crate) fn gather_compilations(engine: &PluginEngine) {
    counter!(COMPILATIONS).absolute(engine.compilations());
}

/// What is read off a version of a plugin when the metrics are asked for, and when it goes.
#[derive(Debug)]
pub(super) struct Readings {
    plugin: Plugin,
    /// What is counted already: each version of a plugin begins at zero.
    counted: Mutex<[u64; COUNTERS.len()]>,
}

impl Readings {
    pub(super) fn of(plugin: &Plugin) -> Self {
        Self { plugin: plugin.clone(), counted: Mutex::default() }
    }

    pub(super) fn gather(&self) {
        let stats = self.plugin.stats();
        for (gauge, value) in GAUGES.into_iter().zip([stats.idle_memory, stats.active, stats.idle, stats.waiting]) {
            self.set(gauge, value);
        }
        if let Some(circuit) = stats.circuit {
            self.set(CIRCUIT, circuit_value(circuit));
        }
        if let Some(cache) = &stats.cache {
            self.set(CACHE_BYTES, cache.bytes);
        }
        edge_functions::gather(&self.plugin);
        self.count();
    }

    fn set(&self, gauge: &'static str, value: u64) {
        gauge!(gauge, "plugin" => self.plugin.name().to_owned()).set(value as f64);
    }

    fn count(&self) {
        let stats = self.plugin.stats();
        let now = COUNTERS.map(|(_, read)| read(&stats));
        let before = std::mem::replace(&mut *self.counted.lock(), now);
        for (((name, _), now), before) in COUNTERS.into_iter().zip(now).zip(before) {
            counter!(name, "plugin" => self.plugin.name().to_owned()).increment(now.saturating_sub(before));
        }
    }
}

impl Drop for Readings {
    /// What is gone holds nothing; a version that follows it is read before its metrics are shown.
    fn drop(&mut self) {
        for gauge in GAUGES {
            self.set(gauge, 0);
        }
        if self.plugin.circuit().is_some() {
            self.set(CIRCUIT, circuit_value(CircuitState::Closed));
        }
        if self.plugin.stats().cache.is_some() {
            self.set(CACHE_BYTES, 0);
        }
        self.count();
    }
}

fn cache_of(stats: &PluginStats) -> CacheStats {
    stats.cache.unwrap_or_default()
}

fn circuit_value(circuit: CircuitState) -> u64 {
    match circuit {
        CircuitState::Closed => 0,
        CircuitState::HalfOpen => 1,
        _ => 2,
    }
}

#[derive(Debug)]
pub(super) struct Prometheus;

impl Observer for Prometheus {
    fn plugin(&self, name: &str, abi: Option<&'static str>) -> Arc<dyn PluginObserver> {
        let all = Arc::new(Metrics::new(name));
        if edge_functions::is_edge_function(abi) { Arc::new(EdgeFunction::new(name, all)) } else { all }
    }
}

const PHASES: [Phase; 7] = [
    Phase::Request,
    Phase::RequestBody,
    Phase::Response,
    Phase::ResponseBody,
    Phase::Error,
    Phase::Complete,
    Phase::Tick,
];

struct Metrics {
    plugin: String,
    request_continue: Counter,
    durations: [(Phase, Histogram); PHASES.len()],
    /// Made when they are first needed: most plugins have few phases and few outcomes.
    others: Mutex<HashMap<(Phase, Outcome), Counter>>,
}

impl Metrics {
    fn new(plugin: &str) -> Self {
        let duration = |phase: Phase| {
            let name = "wasm_plugin_execution_duration_seconds";
            (phase, histogram!(name, "plugin" => plugin.to_owned(), "phase" => phase.as_str()))
        };
        Self {
            request_continue: executions(plugin, Phase::Request, Outcome::Continue),
            durations: PHASES.map(duration),
            others: Mutex::default(),
            plugin: plugin.to_owned(),
        }
    }
}

impl PluginObserver for Metrics {
    fn executed(&self, execution: &Execution) {
        let Execution { phase, outcome, duration, .. } = *execution;
        if !duration.is_zero()
            && let Some((_, histogram)) = self.durations.iter().find(|(of, _)| *of == phase)
        {
            histogram.record(duration);
        }
        if (phase, outcome) == (Phase::Request, Outcome::Continue) {
            return self.request_continue.increment(1);
        }
        let mut others = self.others.lock();
        others.entry((phase, outcome)).or_insert_with(|| executions(&self.plugin, phase, outcome)).increment(1);
        if let Outcome::Failed(class) = outcome {
            counter!("wasm_plugin_errors_total", "plugin" => self.plugin.clone(), "class" => class.as_str())
                .increment(1);
        }
    }
}

fn executions(plugin: &str, phase: Phase, outcome: Outcome) -> Counter {
    let (phase, outcome) = (phase.as_str(), outcome.as_str());
    counter!("wasm_plugin_executions_total", "plugin" => plugin.to_owned(), "phase" => phase, "outcome" => outcome)
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}
