//! What a plugin may ask its host for, and the operator's grants. Nothing here knows an ABI or wasmtime.

mod config;
mod grants;
mod log;
mod metrics;
mod redact;
mod schema;
mod secret_places;
mod secrets;

pub use config::{ConfigProblem, SecretReference, secret_references};
pub(crate) use config::{PluginConfig, ResolvedConfig};
pub use grants::{Grants, Names};
pub(crate) use log::{GuestOutput, LogBudget};
pub use log::{LogLevel, LogRecord, LogSink, TracingLog};
pub use metrics::{MemoryMetrics, MetricRecord, MetricSink, MetricValue};
pub(crate) use metrics::{MetricError, PluginMetrics};
pub use schema::SchemaOrigin;
pub(crate) use schema::{ConfigSchema, SCHEMA_BYTES, too_large};
pub use secret_places::{EnvSecrets, FileSecrets, SecretDirectory};
pub(crate) use secrets::NoSecrets;
pub use secrets::{FirstSecret, Secret, SecretError, SecretMap, SecretSource};
