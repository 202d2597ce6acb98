//! What a plugin may ask its host for, and the operator's grants. Nothing here knows an ABI or wasmtime.

mod clock;
mod config;
mod grants;
mod log;
mod metrics;

pub(crate) use clock::RateClock;
pub use clock::{Clock, ManualClock, SystemClock};
pub(crate) use config::PluginConfig;
pub use grants::{Grants, Names};
pub(crate) use log::{GuestOutput, LogBudget, LogRate, kept_fields};
pub use log::{LogLevel, LogRecord, LogSink, TracingLog};
pub use metrics::{MemoryMetrics, MetricRecord, MetricSink, MetricValue};
pub(crate) use metrics::{MetricError, PluginMetrics};
