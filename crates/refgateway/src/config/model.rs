//! What a config file can say, besides plugins.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Cache, Execute, Limits, OdinWasm, Plugin, SecretPlace, State, Time, Timeouts, WasmRuntime};

/// A whole gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the gateway listens for clients.
    pub listeners: Vec<Listener>,
    /// Which request goes to which service.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The backends.
    #[serde(default)]
    pub services: Vec<Service>,
    /// The plugins that chains may name.
    #[serde(default)]
    pub plugins: Vec<Plugin>,
    /// Plugins that every route carries.
    #[serde(default)]
    pub chain: Vec<String>,
    /// Plugins in the words of Odin.
    #[serde(default)]
    pub wasm: Option<OdinWasm>,
    /// Directories that `POST /wasm` may deploy modules from, absolute; none when empty.
    #[serde(default)]
    pub wasm_roots: Vec<PathBuf>,
    /// What modules may use up that `POST /wasm` deploys.
    #[serde(default)]
    pub wasm_runtime: WasmRuntime,
    /// The admin listener.
    #[serde(default)]
    pub admin: Admin,
    /// Running commands that come with a request, on the admin listener.
    #[serde(default)]
    pub execute: Execute,
    /// Bounds on what a client may send.
    #[serde(default)]
    pub limits: Limits,
    /// How long anything may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Worker threads, each with its own sockets and pools. Default: one a core.
    #[serde(default)]
    pub workers: Option<NonZeroUsize>,
    /// Instances of all plugins that may live at once, busy and idle. Default: 1000. Each reserves about 8 GiB of address
    /// space, and memory as it uses it.
    #[serde(default)]
    pub plugin_instances: Option<NonZeroU32>,
    /// Where plugins keep what they share.
    #[serde(default)]
    pub state: State,
    /// For tests: clocks that stand still and random numbers that repeat.
    #[serde(default)]
    pub repeatable: Option<Repeatable>,
    /// The secrets that plugins may be granted, by name.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretPlace>,
    /// A directory with a file for each secret that is not in `secrets`.
    #[serde(default)]
    pub secrets_dir: Option<PathBuf>,
    /// How often files of secrets are looked at.
    #[serde(default = "secrets_interval")]
    pub secrets_interval: Time,
    /// What plugins keep that can be had again.
    #[serde(default)]
    pub cache: Cache,
    /// Where compiled plugins are kept between runs; whoever can write there can run code in the gateway.
    #[serde(default)]
    pub compile_cache: Option<PathBuf>,
    /// Believe `Forwarded` and `X-Forwarded-*` of the downstream and append to them; otherwise they are replaced.
    #[serde(default)]
    pub trust_forwarded: bool,
    /// One log line a request.
    #[serde(default = "enabled")]
    pub access_log: bool,
}

/// What plugins are given in a run that can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeatable {
    /// The time that their clocks show, in seconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// What their random numbers are made from.
    pub seed: u64,
}

/// A socket that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// IP address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Speak TLS here.
    #[serde(default)]
    pub tls: Option<Tls>,
}

/// PEM files, read again on reload.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, leaf first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Sends the requests that match to one service, through a chain of plugins.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Unique; seen in logs and metrics.
    pub name: String,
    /// Which requests; all of them when absent.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// The service's name.
    pub service: String,
    /// Plugins of this route, besides those of the service and of the gateway.
    #[serde(default)]
    pub chain: Vec<String>,
    /// A leading part of the path that the upstream does not see.
    #[serde(default)]
    pub strip_prefix: Option<String>,
    /// Replaces `timeouts.request` for this route.
    #[serde(default)]
    pub timeout: Option<Time>,
}

/// All that is given must match. At most one of the four paths.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// A host name, or `*.suffix` for every name under it. Ports are ignored.
    #[serde(default)]
    pub host: Option<String>,
    /// Exactly this path.
    #[serde(default)]
    pub path: Option<String>,
    /// This path and everything below it: `/api` matches `/api` and `/api/x`, not `/apix`.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// Segments with parameters: `/users/{id}`, `/files/{*rest}`.
    #[serde(default)]
    pub path_pattern: Option<String>,
    /// A regular expression for the whole path.
    #[serde(default)]
    pub path_regex: Option<String>,
    /// Any of these methods; all when empty.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Header name to exact value; `*` for any value.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// One backend with one or more servers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Unique; routes refer to it.
    pub name: String,
    /// The servers.
    pub upstreams: Vec<Upstream>,
    /// How a server is picked.
    #[serde(default)]
    pub balance: Balance,
    /// Which HTTP the servers speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// Send the client's `Host` on; otherwise the server's own authority.
    #[serde(default = "enabled")]
    pub preserve_host: bool,
    /// When a server is left out for a while.
    #[serde(default)]
    pub health: Health,
    /// Plugins that every route to this service carries.
    #[serde(default)]
    pub chain: Vec<String>,
    /// Replaces `timeouts.connect` for this service.
    #[serde(default)]
    pub connect_timeout: Option<Time>,
    /// Idle connections kept per server and worker.
    #[serde(default = "max_idle")]
    pub max_idle: usize,
    /// How `https` servers are verified.
    #[serde(default)]
    pub tls: Option<UpstreamTls>,
}

/// One server of a service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// `http://host:port` or `https://host:port`, without a path.
    pub url: String,
    /// Its share of the requests, 1 to 100.
    #[serde(default = "one")]
    pub weight: u8,
}

/// How a server is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests under way for its weight.
    LeastRequests,
}

/// Which HTTP a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1 in clear text, what ALPN agrees on over TLS.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: with prior knowledge in clear text, by ALPN over TLS.
    #[serde(alias = "http2")]
    H2c,
}

/// Passive health: servers that cannot be reached are left out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// That many failures in a row, connecting or before a response, and the server is left out.
    pub max_failures: u32,
    /// For this long; then the next request tries it.
    pub cooldown: Time,
}

/// How `https` servers are verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTls {
    /// Trust exactly the certificates of this PEM file instead of the system's.
    pub ca: PathBuf,
}

/// The admin listener.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Off: no admin listener at all.
    pub enabled: bool,
    /// Any other than a loopback address needs a token.
    pub address: SocketAddr,
    /// Requests must carry it as `Authorization: Bearer`. Better from `${ENV}` than written here.
    pub token: Option<String>,
}

impl Default for Config {
    /// Nothing but defaults; it needs a listener.
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            routes: Vec::new(),
            services: Vec::new(),
            plugins: Vec::new(),
            chain: Vec::new(),
            wasm: None,
            wasm_roots: Vec::new(),
            wasm_runtime: WasmRuntime::default(),
            admin: Admin::default(),
            execute: Execute::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            workers: None,
            plugin_instances: None,
            cache: Cache::default(),
            state: State::default(),
            repeatable: None,
            secrets: BTreeMap::new(),
            secrets_dir: None,
            secrets_interval: secrets_interval(),
            compile_cache: None,
            trust_forwarded: false,
            access_log: true,
        }
    }
}

impl Service {
    /// A service with defaults for everything else.
    pub fn new(name: impl Into<String>, upstreams: Vec<Upstream>) -> Self {
        Self {
            name: name.into(),
            upstreams,
            balance: Balance::default(),
            protocol: Protocol::default(),
            preserve_host: true,
            health: Health::default(),
            chain: Vec::new(),
            connect_timeout: None,
            max_idle: max_idle(),
            tls: None,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { max_failures: 3, cooldown: Time::seconds(10) }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { enabled: true, address: SocketAddr::from(([127, 0, 0, 1], 9901)), token: None }
    }
}

impl std::fmt::Debug for Admin {
    /// Never shows the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("Admin").field("address", &self.address).field("token", &token).finish_non_exhaustive()
    }
}

fn enabled() -> bool {
    true
}

fn secrets_interval() -> Time {
    Time::seconds(5)
}

fn one() -> u8 {
    1
}

fn max_idle() -> usize {
    128
}
