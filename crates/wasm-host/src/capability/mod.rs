//! What a plugin may ask its host for, and the operator's grants. Nothing here knows an ABI or wasmtime.

mod clock;
mod config;
mod grants;
mod log;
mod metrics;
mod queue;
mod rate_limit;

use std::pin::Pin;

pub(crate) use clock::RateClock;
pub use clock::{Clock, ManualClock, SystemClock};
pub(crate) use config::PluginConfig;
pub use grants::{Grants, Names};
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

/// A future of a trait that a backend implements.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
