//! What a config file says about a plugin.

use std::{fmt, num::NonZeroU32, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Bodies, CircuitBreaker, HttpGrant, HttpLimits, KvGrants, KvQuota, OnFailure, Origin, PluginMatch, QueueGrants,
    RateLimitGrant, Size, Time,
};

/// Code, config, grants and limits under one name.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// Unique; chains refer to it.
    pub name: String,
    /// The `.wasm` file; which ABI it is of shows in the file itself.
    pub file: PathBuf,
    /// Handed to the plugin as JSON; any shape.
    #[serde(default)]
    pub config: Value,
    /// How the plugin is used, in the words of its ABI: the ABI's page says which there are.
    #[serde(default)]
    pub abi: Value,
    /// Which requests of its routes it is for; all of them where nothing is said.
    #[serde(default, rename = "match")]
    pub matches: PluginMatch,
    /// A JSON Schema for `config`, or the path of a file with one; it holds besides the one that the plugin ships.
    #[serde(default)]
    pub config_schema: Option<Value>,
    /// Plugins of one chain run in this order, lower first; ties in the order they are named.
    #[serde(default)]
    pub priority: i32,
    /// How long after one tick the next one comes; as it declares itself where nothing is said.
    #[serde(default)]
    pub tick: Option<Time>,
    /// Properties that it cannot do without: a chain in which no plugin before it provides them is refused.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Properties that it sets for later plugins.
    #[serde(default)]
    pub provides: Vec<String>,
    /// Off: chains run without it.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// What it may use up.
    #[serde(default)]
    pub limits: PluginLimits,
    /// What it may ask for; nothing by default.
    #[serde(default)]
    pub grants: Grants,
    /// Whether instances are used again.
    #[serde(default)]
    pub pool: Pool,
    /// How it reads bodies; as it declares itself where nothing is said.
    #[serde(default)]
    pub bodies: Bodies,
    /// What its chain does when it fails.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// When it is not called for a while because it failed too often; always called when absent.
    #[serde(default)]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// Who put it into the config.
    #[serde(skip)]
    pub origin: Origin,
}

impl Plugin {
    /// A plugin with defaults for everything else.
    pub fn from_file(name: String, file: PathBuf) -> Self {
        Self {
            name,
            file,
            config: Value::Null,
            abi: Value::Null,
            matches: PluginMatch::default(),
            config_schema: None,
            priority: 0,
            tick: None,
            requires: Vec::new(),
            provides: Vec::new(),
            enabled: true,
            limits: PluginLimits::default(),
            grants: Grants::default(),
            pool: Pool::default(),
            bodies: Bodies::default(),
            on_failure: OnFailure::default(),
            circuit_breaker: None,
            origin: Origin::default(),
        }
    }
}

impl fmt::Debug for Plugin {
    /// Everything but the config, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("file", &self.file)
            .field("abi", &self.abi)
            .field("matches", &self.matches)
            .field("priority", &self.priority)
            .field("tick", &self.tick)
            .field("requires", &self.requires)
            .field("provides", &self.provides)
            .field("enabled", &self.enabled)
            .field("limits", &self.limits)
            .field("grants", &self.grants)
            .field("pool", &self.pool)
            .field("bodies", &self.bodies)
            .field("on_failure", &self.on_failure)
            .field("circuit_breaker", &self.circuit_breaker)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// What a plugin may use up. What is absent has the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PluginLimits {
    /// All memories of one instance together.
    pub memory: Option<Size>,
    /// Elements of all tables of one instance.
    pub table_elements: Option<u64>,
    /// CPU time of one call.
    pub cpu: Option<Time>,
    /// Steps of one call, about one a WebAssembly instruction; not counted where nothing is said.
    pub fuel: Option<u64>,
    /// Time of one call, waiting included.
    pub wall: Option<Time>,
    /// Both of the above for making and configuring an instance.
    pub startup: Option<Time>,
    /// Hostcalls of one call.
    pub hostcalls: Option<u32>,
    /// Bytes handed over in one hostcall.
    pub hostcall_bytes: Option<Size>,
    /// Headers that one call adds.
    pub header_bytes: Option<Size>,
    /// Body of a response the plugin makes itself.
    pub response_body: Option<Size>,
    /// Bytes of one body held for the plugin: a `peek`, a `buffer`, a line, an event.
    pub body_bytes: Option<Size>,
    /// Log text of one call.
    pub log_bytes: Option<Size>,
    /// Log messages a second, of all its instances together.
    pub log_rate: Option<NonZeroU32>,
    /// Time that a body which is read ahead may take to arrive.
    pub body_wait: Option<Time>,
    /// Series of metrics that it makes with labels.
    pub metric_series: Option<usize>,
    /// Keys of rate limits that it has in use.
    pub rate_limit_keys: Option<usize>,
    /// Queues of its own that it makes.
    pub own_queues: Option<usize>,
    /// Calls over HTTP.
    pub http: HttpLimits,
    /// Its own namespace of key-value pairs.
    pub kv: KvQuota,
    /// What it keeps in the cache, all its entries together.
    pub cache_bytes: Option<Size>,
    /// One entry of the cache: a value, or a response with its headers.
    pub cache_value: Option<Size>,
    /// Exchanges that run it at once.
    pub concurrency: Option<NonZeroU32>,
    /// Exchanges that wait for it at once.
    pub queue: Option<u32>,
}

/// What a plugin may ask for; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// The services it may send a request to; `*` stands for every service.
    pub upstreams: Vec<String>,
    /// The longest time that it may give an upstream to answer; without it, it may set none.
    pub upstream_timeout: Option<Time>,
    /// How often it may have a request sent again that a server failed.
    pub upstream_retries: u32,
    /// Whether it may record metrics.
    pub metrics: bool,
    /// Whether it may use rate limits, and whose.
    pub rate_limit: RateLimitGrant,
    /// The queues that it may use.
    pub queues: QueueGrants,
    /// The secrets its config may have by `secret://name`; `*` stands for every secret.
    pub secrets: Vec<String>,
    /// What it may call over HTTP.
    pub http: HttpGrant,
    /// The namespaces of key-value pairs that it may use.
    pub kv: KvGrants,
    /// Whether it may use the cache.
    pub cache: bool,
    /// The variables of the gateway's environment it may read; `*` stands for every variable.
    pub env: Vec<String>,
}

/// Whether instances are used again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pool {
    /// A fresh instance for every exchange, or used ones again.
    pub mode: PoolMode,
    /// Idle instances kept.
    pub max_idle: Option<usize>,
    /// Calls one instance serves.
    pub max_uses: Option<NonZeroU32>,
    /// How old one instance gets.
    pub max_age: Option<Time>,
    /// An instance that has grown over it is not kept.
    pub max_memory: Option<Size>,
}

/// Whether instances are used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PoolMode {
    /// One instance an exchange: nothing of one request can be seen in another.
    #[default]
    Fresh,
    /// The same instance for many exchanges, one after the other.
    Reuse,
}

fn enabled() -> bool {
    true
}
