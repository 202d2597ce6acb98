//! Measurements for the operator's dashboards. They need the operator's grant.

use crate::bindings::imports::wasm_host::plugin::metrics;

pub use metrics::MetricError;

/// Adds to a counter.
pub fn count(name: &str, labels: &[(&str, &str)], by: u64) -> Result<(), MetricError> {
    metrics::count(name, &owned(labels), by)
}

/// Sets a gauge.
pub fn set_gauge(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError> {
    metrics::set_gauge(name, &owned(labels), value)
}

/// Adds an observation to a histogram.
pub fn observe(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), MetricError> {
    metrics::observe(name, &owned(labels), value)
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
