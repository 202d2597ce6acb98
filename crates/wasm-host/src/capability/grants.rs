use std::time::Duration;

use super::{HttpGrant, KvGrants, QueueGrants, RateLimitGrant};

/// What one plugin may use of what the host offers. The default grants nothing.
///
/// Logging, clocks, random numbers and the plugin's own configuration need no grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Services that the plugin may send a request to.
    pub upstreams: Names,
    /// The longest time that the plugin may give an upstream to answer; none: it may set no timeout.
    pub upstream_timeout: Option<Duration>,
    /// How often the plugin may have the host send a request again.
    pub upstream_retries: u32,
    /// Whether the plugin may record metrics.
    pub metrics: bool,
    /// Whether it may use rate limits, and whose.
    pub rate_limit: RateLimitGrant,
    /// The queues that it may use.
    pub queues: QueueGrants,
    /// Secrets that the plugin's configuration may have by `secret://name`.
    pub secrets: Names,
    /// What the plugin may call over HTTP.
    pub http: HttpGrant,
    /// The namespaces of key-value pairs that it may use.
    pub kv: KvGrants,
    /// Whether the plugin may use the cache.
    pub cache: bool,
    /// Variables of the process's environment that the plugin may read, where its ABI lets it ask.
    pub env: Names,
}

/// A set of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// None at all.
    #[default]
    None,
    /// These.
    Only(Vec<String>),
    /// Every one.
    All,
}

impl Names {
    /// Whether the set has this name.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Only(names) => names.iter().any(|n| n == name),
            Self::All => true,
        }
    }
}
