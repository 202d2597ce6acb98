//! Where plugins keep what they share, as a config says.

use wasm_host::{KvAccess, KvGrants, KvQuota, PluginEngineBuilder};
use wasm_host_stores::{RedbKv, Redis, RedisKv};

use super::rate_limits;
use crate::{
    config::{self, KvBackend},
    error::Error,
};

/// Gives the engine the stores that a valid config names. A server is connected to when it is first used.
pub(super) fn stores(builder: PluginEngineBuilder, state: &config::State) -> Result<PluginEngineBuilder, Error> {
    let redis = state.redis.as_ref().map(|given| Redis::new(&given.url, given.prefix.as_str())).transpose()?;
    let shared = |builder: PluginEngineBuilder, (name, given): (&String, _)| builder.kv_shared(name, quota(given));
    let builder = state.kv_shared.iter().fold(builder, shared);
    let builder = match (state.kv, &state.redb, &redis) {
        (KvBackend::Redb, Some(file), _) => builder.kv_store(RedbKv::open(file)?),
        (KvBackend::Redis, _, Some(redis)) => builder.kv_store(RedisKv::new(redis.clone())),
        _ => builder,
    };
    Ok(rate_limits::share(builder, state, redis))
}

pub(super) fn quota(given: &config::KvQuota) -> KvQuota {
    let default = KvQuota::default();
    KvQuota {
        keys: given.keys.unwrap_or(default.keys),
        bytes: given.bytes.map_or(default.bytes, |size| size.0),
        value_bytes: given.value.map_or(default.value_bytes, config::Size::as_usize),
    }
}

pub(super) fn kv_grants(given: &config::KvGrants) -> KvGrants {
    let shared = given.shared.iter().map(|(name, given)| (name.clone(), access(*given))).collect();
    KvGrants { own: access(given.own), shared }
}

fn access(given: config::KvAccess) -> KvAccess {
    match given {
        config::KvAccess::None => KvAccess::None,
        config::KvAccess::Read => KvAccess::Read,
        config::KvAccess::ReadWrite => KvAccess::ReadWrite,
    }
}
