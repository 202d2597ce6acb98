//! What a plugin may ask its host for, and the operator's grants. Nothing here knows an ABI or wasmtime.

mod config;
mod grants;
mod kv;
mod log;
mod metrics;

pub(crate) use config::PluginConfig;
pub use grants::{Grants, Names};
pub use kv::{KvAccess, KvEntry, KvError, KvGrants, KvNamespace, KvPage, KvQuota, KvStat, KvStore, KvSwap, MemoryKv};
#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use kv::{KvBucket, KvWatch};
pub(crate) use kv::{KvProblem, KvSpaces, PluginKv};
pub(crate) use log::{GuestOutput, LogBudget};
pub use log::{LogLevel, LogRecord, LogSink, TracingLog};
pub use metrics::{MemoryMetrics, MetricRecord, MetricSink, MetricValue};
pub(crate) use metrics::{MetricError, PluginMetrics};

/// What an asynchronous function of a trait object returns.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
