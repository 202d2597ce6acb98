//! What a plugin may ask its host for, and the operator's grants. Nothing here knows an ABI or wasmtime.

mod cache;
mod clock;
mod config;
mod env;
mod grants;
mod http_call;
mod kv;
mod log;
mod metrics;
mod queue;
mod rate_limit;
mod redact;
mod schema;
mod secret_places;
mod secrets;

use std::pin::Pin;

pub use cache::{
    Cache, CacheContent, CacheEntry, CacheNamespace, CacheStats, CacheUnavailable, CachedResponse, MemoryCache,
};
pub(crate) use cache::{CacheHit, CacheLifetime, CacheProblem, CacheQuota, PluginCache};
pub(crate) use clock::RateClock;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{ConfigProblem, SecretReference, secret_references};
pub(crate) use config::{PluginConfig, ResolvedConfig};
pub(crate) use env::env_variable;
pub use grants::{Grants, Names};
pub use http_call::{
    AddressPolicy, HostPattern, HttpCall, HttpCallError, HttpClient, HttpGrant, HttpLimits, HttpTarget, InvalidHost,
    InvalidNetwork, Network, NoHttpClient,
};
pub(crate) use http_call::{PluginHttp, StreamOptions, TraceContext, WholeCall};
pub use kv::{KvAccess, KvEntry, KvError, KvGrants, KvNamespace, KvPage, KvQuota, KvStat, KvStore, KvSwap, MemoryKv};
#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use kv::{KvBucket, KvWatch};
pub(crate) use kv::{KvProblem, KvSpaces, PluginKv};
pub(crate) use log::{GuestOutput, LogBudget, LogRate, kept_fields};
pub use log::{LogLevel, LogRecord, LogSink, TracingLog};
pub use metrics::{MemoryMetrics, MetricRecord, MetricSink, MetricValue};
pub(crate) use metrics::{MetricError, PluginMetrics};
pub use queue::{MemoryQueues, QueueBounds, QueueGrants, QueueId, QueueStore, QueueStoreError, QueueUse};
pub(crate) use queue::{PluginQueues, QueueError};
pub use rate_limit::{
    MemoryRateLimiter, RateDecision, RateLimitGrant, RateLimitId, RateLimiter, RateLimiterUnavailable, RateRule,
    SlidingWindow, TokenBucket,
};
pub(crate) use rate_limit::{PluginRateLimits, RateLimitError, RuleError};
pub use schema::SchemaOrigin;
pub(crate) use schema::{ConfigSchema, SCHEMA_BYTES, too_large};
pub use secret_places::{EnvSecrets, FileSecrets, SecretDirectory};
pub(crate) use secrets::NoSecrets;
pub use secrets::{FirstSecret, Secret, SecretError, SecretMap, SecretSource};

/// A future of a trait that a backend implements.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
