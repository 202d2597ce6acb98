//! Run HTTP plugins written in WebAssembly.
//!
//! An engine runs guests, a plugin is a guest's code with its configuration, limits and grants, a chain orders
//! plugins, and an exchange takes one request and its response through a chain.
//!
//! ```no_run
//! use wasm_host::{Body, ExchangeFacts, Plugin, PluginChain, PluginEngine, RequestOutcome};
//!
//! # async fn example(request: http::Request<Body>) -> Result<(), wasm_host::Error> {
//! let engine = PluginEngine::builder().build()?;
//! let auth = Plugin::builder("auth").file("auth.wasm").load(&engine).await?;
//! let chain = PluginChain::new([auth])?;
//!
//! let mut exchange = chain.exchange(ExchangeFacts { id: "42".into(), ..ExchangeFacts::default() });
//! let response = match exchange.on_request(request).await {
//!     RequestOutcome::Continue(request) => send_to_upstream(request).await,
//!     RequestOutcome::Respond(response) => response,
//!     RequestOutcome::BodyFailed(_) => return Ok(()),
//! };
//! let response = exchange.on_response(response).await;
//! exchange.finish();
//! # drop(response);
//! # Ok(())
//! # }
//! # async fn send_to_upstream(_: http::Request<Body>) -> http::Response<Body> { todo() }
//! # fn todo() -> http::Response<Body> { http::Response::new(Body::empty()) }
//! ```
//!
//! Everything here runs within a tokio runtime with its timer enabled. No type of wasmtime is part of the API.

mod body;
mod breaker;
mod capability;
mod chain;
mod command;
mod engine;
mod error;
mod exchange;
mod inspect;
mod limits;
mod message;
mod metrics;
mod plugin;
mod policy;
mod pool;
mod scope;

mod abi;
mod compile;
mod compile_cache;
mod compute;
mod epoch;
mod meter;
mod per_thread;
mod priority;
mod runtime;
mod store;

pub use abi::{Phases, WatchedFailures};
pub use body::{BodyMode, BodyReading, Framing};
pub use breaker::{CircuitBreaker, CircuitState};
pub use capability::{
    AddressPolicy, BoxFuture, Cache, CacheContent, CacheEntry, CacheNamespace, CacheStats, CacheUnavailable,
    CachedResponse, Clock, ConfigProblem, EnvSecrets, FileSecrets, FirstSecret, Grants, HostPattern, HttpCall,
    HttpCallError, HttpClient, HttpGrant, HttpLimits, HttpTarget, InvalidHost, InvalidNetwork, KvAccess, KvEntry,
    KvError, KvGrants, KvNamespace, KvPage, KvQuota, KvStat, KvStore, KvSwap, LogLevel, LogRecord, LogSink,
    ManualClock, MemoryCache, MemoryKv, MemoryMetrics, MemoryQueues, MemoryRateLimiter, MetricRecord, MetricSink,
    MetricValue, Names, Network, NoHttpClient, QueueBounds, QueueGrants, QueueId, QueueStore, QueueStoreError,
    QueueUse, RateDecision, RateLimitGrant, RateLimitId, RateLimiter, RateLimiterUnavailable, RateRule, SchemaOrigin,
    Secret, SecretDirectory, SecretError, SecretMap, SecretReference, SecretSource, SlidingWindow, SystemClock,
    TokenBucket, TracingLog, secret_references,
};
pub use chain::PluginChain;
pub use command::{Command, CommandBuilder, CommandError, CommandInput, CommandLimit, CommandLimits, CommandOutput};
pub use compile::Digest;
pub use engine::{PluginEngine, PluginEngineBuilder};
pub use error::{Error, Result};
pub use exchange::{
    BodyLate, CutByPlugin, Decision, DecisionLog, ErrorOutcome, Exchange, RequestOutcome, Summary, UpstreamFailure,
    UpstreamFailureKind,
};
pub use inspect::Inspection;
pub use limits::Limits;
pub use message::{Body, BodyError, ExchangeFacts, Phase, Routing, TlsFacts};
pub use metrics::{Execution, Observer, Outcome, PluginObserver, PluginStats};
pub use plugin::{Plugin, PluginBuilder};
pub use policy::{ClosedAnswer, Failure, FailureAction, FailureClass, FailurePolicy, PhasePolicy};
pub use pool::{PoolPolicy, Reuse};
pub use scope::{PathRegex, PathRule, Scope};
