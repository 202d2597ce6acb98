//! Where rate limits are counted, and queues are shared, as the config says.

use wasm_host::{PluginEngineBuilder, QueueGrants, QueueUse, RateLimitGrant};
use wasm_host_stores::{Redis, RedisRateLimiter};

use crate::{
    config::{self, RateLimitBackend, RedisSettings, State},
    error::Error,
};

/// The engine's limiter: its own, or the server that the gateways share.
pub(super) fn limiter(builder: PluginEngineBuilder, state: &State) -> Result<PluginEngineBuilder, Error> {
    match (state.rate_limits, &state.redis) {
        (RateLimitBackend::Redis, Some(RedisSettings { url, prefix })) => {
            let redis = Redis::new(url, prefix).map_err(Error::Redis)?;
            Ok(builder.rate_limiter(RedisRateLimiter::new(redis)))
        }
        _ => Ok(builder),
    }
}

pub(super) fn rate_limit_grant(given: &config::RateLimitGrant) -> RateLimitGrant {
    match given {
        config::RateLimitGrant::None => RateLimitGrant::None,
        config::RateLimitGrant::Own => RateLimitGrant::Own,
        config::RateLimitGrant::Shared(name) => RateLimitGrant::Shared(name.clone()),
    }
}

pub(super) fn queue_grants(given: &config::QueueGrants) -> QueueGrants {
    let usage = |usage: &config::QueueUse| match usage {
        config::QueueUse::Send => QueueUse::Send,
        config::QueueUse::Receive => QueueUse::Receive,
        config::QueueUse::Both => QueueUse::Both,
    };
    let shared = given.shared.iter().map(|(name, given)| (name.clone(), usage(given))).collect();
    QueueGrants { own: given.own, shared }
}
