//! The metrics that AEGIS documents for its edge functions, under its names.

use std::sync::Arc;

use metrics::{Counter, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use wasm_host::{Execution, Outcome, Phase, Plugin, PluginObserver};

pub(crate) const EXECUTION_TIME: &str = "edge_function_execution_time_ms";
/// Upper bounds of its buckets: a call has 50 ms, unless its limits say otherwise.
pub(crate) const MILLISECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 250.0];
const ERRORS: &str = "edge_function_errors_total";
const EARLY_TERMINATIONS: &str = "edge_function_early_terminations_total";
const CACHE_HIT_RATE: &str = "edge_function_cache_hit_rate";

/// Says what each metric is.
pub(super) fn describe_metrics() {
    describe_histogram!(EXECUTION_TIME, "How many milliseconds calls of a plugin of the AEGIS ABI took.");
    describe_counter!(ERRORS, "Failed calls of a plugin of the AEGIS ABI.");
    describe_counter!(EARLY_TERMINATIONS, "Calls of a plugin of the AEGIS ABI that answered the request.");
    describe_gauge!(CACHE_HIT_RATE, "Share of the look-ups of a plugin of the AEGIS ABI that the cache answered.");
}

pub(super) fn is_edge_function(abi: Option<&str>) -> bool {
    abi == Some("aegis")
}

/// Counts the calls of one plugin under the names of AEGIS, beside the ones that all plugins have.
pub(super) struct EdgeFunction {
    all: Arc<dyn PluginObserver>,
    milliseconds: Histogram,
    errors: Counter,
    early_terminations: Counter,
}

impl EdgeFunction {
    pub(super) fn new(plugin: &str, all: Arc<dyn PluginObserver>) -> Self {
        Self {
            all,
            milliseconds: histogram!(EXECUTION_TIME, "plugin" => plugin.to_owned()),
            errors: counter!(ERRORS, "plugin" => plugin.to_owned()),
            early_terminations: counter!(EARLY_TERMINATIONS, "plugin" => plugin.to_owned()),
        }
    }
}

impl std::fmt::Debug for EdgeFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeFunction").field("all", &self.all).finish_non_exhaustive()
    }
}

impl PluginObserver for EdgeFunction {
    fn executed(&self, execution: &Execution) {
        self.all.executed(execution);
        // No function is called with the response: what the one of the request left for it is applied.
        if !matches!(execution.phase, Phase::Request | Phase::RequestBody) {
            return;
        }
        match execution.outcome {
            Outcome::Failed(_) => self.errors.increment(1),
            Outcome::Respond => self.early_terminations.increment(1),
            _ => {}
        }
        if !execution.duration.is_zero() {
            self.milliseconds.record(execution.duration.as_secs_f64() * 1_000.0);
        }
    }
}

/// Sets what is read off a version of the plugin: nothing before its first look-up.
pub(super) fn gather(plugin: &Plugin) {
    let stats = plugin.stats();
    let Some(cache) = stats.cache.filter(|_| is_edge_function(plugin.abi())) else { return };
    let lookups = cache.hits + cache.misses;
    if lookups > 0 {
        gauge!(CACHE_HIT_RATE, "plugin" => plugin.name().to_owned()).set(cache.hits as f64 / lookups as f64);
    }
}
