//! What a plugin may ask its host for, and the operator's grants. Nothing here knows an ABI or wasmtime.

mod config;
mod grants;
mod log;
mod metrics;

pub(crate) use config::PluginConfig;
pub use grants::{Grants, Names};
pub(crate) use log::{GuestOutput, LogBudget};
pub use log::{LogLevel, LogRecord, LogSink, TracingLog};
pub use metrics::{MemoryMetrics, MetricRecord, MetricSink, MetricValue};
pub(crate) use metrics::{MetricError, PluginMetrics};
