//! What a plugin may ask its host for, and the operator's grants. Nothing here knows an ABI or wasmtime.

mod config;
mod grants;
mod http_call;
mod log;
mod metrics;

pub(crate) use config::PluginConfig;
pub use grants::{Grants, Names};
pub use http_call::{
    AddressPolicy, HostPattern, HttpCall, HttpCallError, HttpClient, HttpGrant, HttpLimits, HttpTarget, InvalidHost,
    InvalidNetwork, Network, NoHttpClient,
};
pub(crate) use http_call::{PluginHttp, StreamOptions, TraceContext, WholeCall};
pub(crate) use log::{GuestOutput, LogBudget};
pub use log::{LogLevel, LogRecord, LogSink, TracingLog};
pub use metrics::{MemoryMetrics, MetricRecord, MetricSink, MetricValue};
pub(crate) use metrics::{MetricError, PluginMetrics};

/// What a host's backend works on until it is done.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
