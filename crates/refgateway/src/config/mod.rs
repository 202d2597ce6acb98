//! The config file: its model, how it is read, and everything that is checked before any of it is used.

mod action;
mod bodies;
mod cache;
mod check;
mod check_plugin;
mod circuit;
mod execute;
mod failure;
mod http;
mod kv;
mod load;
mod model;
mod odin;
mod origin;
mod plugin;
mod plugin_match;
mod problem;
mod secrets;
mod sharing;
mod state;
mod timing;
mod tree;
mod units;
mod wasm_runtime;

pub use self::{
    action::{ClosedAnswer, FailureAction},
    bodies::{Bodies, BodyMode},
    cache::Cache,
    circuit::CircuitBreaker,
    execute::Execute,
    failure::{FailureActions, OnFailure},
    http::{HttpGrant, HttpLimits, HttpScheme},
    kv::{KvAccess, KvGrants, KvQuota},
    model::{
        Admin, Balance, Config, Health, Listener, Match, Protocol, Repeatable, Route, Service, Tls, Upstream,
        UpstreamTls,
    },
    odin::{OdinBodyEncoding, OdinKind, OdinPlugin, OdinWasm},
    origin::{AttachPoint, DeployedModule, MiddlewarePoint, Origin},
    plugin::{Grants, Plugin, PluginLimits, Pool, PoolMode},
    plugin_match::PluginMatch,
    problem::{ConfigError, Problem},
    secrets::SecretPlace,
    sharing::{QueueBounds, QueueGrants, QueueUse, RateLimitGrant},
    state::{KvBackend, RateLimitBackend, RedisSettings, State},
    timing::{Limits, Timeouts},
    units::{Size, Time},
    wasm_runtime::WasmRuntime,
};
pub(crate) use self::{load::from_json, problem::did_you_mean};
