//! Guest → host: measurements.

use wasmtime::Result;

use super::bindings::wasm_host::plugin::metrics::{self, MetricError};
use crate::{MetricValue, capability, store::HostState};

type Labels = Vec<(String, String)>;

impl metrics::Host for HostState {
    fn count(&mut self, name: String, labels: Labels, by: u64) -> Result<Result<(), MetricError>> {
        self.measure(&name, labels, MetricValue::Count(by))
    }

    fn set_gauge(&mut self, name: String, labels: Labels, value: f64) -> Result<Result<(), MetricError>> {
        self.measure(&name, labels, MetricValue::Gauge(value))
    }

    fn observe(&mut self, name: String, labels: Labels, value: f64) -> Result<Result<(), MetricError>> {
        self.measure(&name, labels, MetricValue::Observation(value))
    }
}

impl HostState {
    fn measure(&mut self, name: &str, labels: Labels, value: MetricValue) -> Result<Result<(), MetricError>> {
        self.count_hostcall()?;
        if !self.plugin.grants.metrics {
            self.denied("metrics", "grants.metrics", &format!("`{name}`"));
            return Ok(Err(MetricError::Denied));
        }
        Ok(self.plugin.measure(name, labels, value).map_err(|error| match error {
            capability::MetricError::InvalidName => MetricError::InvalidName,
            capability::MetricError::InvalidLabel => MetricError::InvalidLabel,
            capability::MetricError::InvalidValue => MetricError::InvalidValue,
            capability::MetricError::Mismatch => MetricError::Mismatch,
            capability::MetricError::TooMany => MetricError::TooMany,
        }))
    }
}
