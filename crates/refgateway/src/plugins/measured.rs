//! What plugins measure, beside the gateway's own metrics.

use metrics::{Label, counter, gauge, histogram};
use wasm_host::{MetricRecord, MetricSink, MetricValue};

/// What the name of each metric of a plugin begins with; the name of the plugin follows.
pub(crate) const PREFIX: &str = "plugin_";
/// Upper bounds of the buckets of plugins' histograms: nobody knows their units.
pub(crate) const BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 25.0, 100.0, 1_000.0, 10_000.0, 100_000.0];

#[derive(Debug)]
pub(super) struct Measured;

impl MetricSink for Measured {
    fn record(&self, record: &MetricRecord<'_>) {
        let name = full_name(record.plugin, record.name);
        let own = record.labels.iter().map(|(name, value)| Label::new(name.clone(), value.clone()));
        // Two plugins whose names differ in punctuation only have one prefix.
        let labels: Vec<_> = std::iter::once(Label::new("plugin", record.plugin.to_owned())).chain(own).collect();
        match record.value {
            MetricValue::Count(by) => counter!(name, labels).increment(by),
            MetricValue::Gauge(value) => gauge!(name, labels).set(value),
            MetricValue::Observation(value) => histogram!(name, labels).record(value),
            _ => {}
        }
    }
}

fn full_name(plugin: &str, name: &str) -> String {
    let plugin = plugin.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    format!("{PREFIX}{plugin}_{name}")
}
