//! What a config file says about where plugins keep what they share.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{KvQuota, QueueBounds};

/// Where plugins keep what they share; in the memory of this process where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// Where key-value pairs are.
    pub kv: KvBackend,
    /// Namespaces of key-value pairs that plugins share, and what each may hold. `grants.kv.shared` names who uses them.
    pub kv_shared: BTreeMap<String, KvQuota>,
    /// Where rate limits are counted.
    pub rate_limits: RateLimitBackend,
    /// What a queue holds at most.
    pub queues: QueueBounds,
    /// The file of `redb`; made when it is not there.
    pub redb: Option<PathBuf>,
    /// The server of `redis`.
    pub redis: Option<RedisSettings>,
}

/// Where key-value pairs are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KvBackend {
    /// In the memory of this process: gone when it ends.
    #[default]
    Memory,
    /// In a file on this machine.
    Redb,
    /// In a Redis server, which other gateways may share.
    Redis,
}

/// Where rate limits are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitBackend {
    /// In this process: each gateway admits the limit.
    #[default]
    Memory,
    /// In a Redis server: the gateways that share it admit the limit together.
    Redis,
}

/// A Redis server.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://user:password@host:port/database`. Better from `${ENV}` than written here.
    pub url: String,
    /// What all keys there begin with.
    #[serde(default = "prefix")]
    pub prefix: String,
}

impl State {
    /// What it names and does not describe: the key that is missing, and who needs it.
    pub(super) fn missing(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let redis = self.redis.is_none();
        [
            (self.kv == KvBackend::Redb && self.redb.is_none(), ("redb", "`kv: redb` needs the file it is kept in")),
            (self.kv == KvBackend::Redis && redis, ("redis", "`kv: redis` needs the server's `url`")),
            (
                self.rate_limits == RateLimitBackend::Redis && redis,
                ("redis", "`rate_limits: redis` needs the server's `url`"),
            ),
        ]
        .into_iter()
        .filter_map(|(is_missing, problem)| is_missing.then_some(problem))
    }
}

impl fmt::Debug for RedisSettings {
    /// Never shows the URL, which may have a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn prefix() -> String {
    "wasm-host:".to_owned()
}
