//! Where rate limits are counted, and queues are shared, as the config says.

use wasm_host::{MemoryQueues, PluginEngineBuilder, QueueBounds, QueueGrants, QueueUse, RateLimitGrant};
use wasm_host_stores::{Redis, RedisRateLimiter};

use crate::config::{self, RateLimitBackend, Size, State};

/// Gives the engine queues, and the server that gateways share for their rate limits, if they share one.
pub(super) fn share(builder: PluginEngineBuilder, state: &State, redis: Option<Redis>) -> PluginEngineBuilder {
    let builder = builder.queue_store(MemoryQueues::new(queue_bounds(&state.queues)));
    match (state.rate_limits, redis) {
        (RateLimitBackend::Redis, Some(redis)) => builder.rate_limiter(RedisRateLimiter::new(redis)),
        _ => builder,
    }
}

fn queue_bounds(given: &config::QueueBounds) -> QueueBounds {
    let default = QueueBounds::default();
    QueueBounds {
        items: given.items.unwrap_or(default.items),
        bytes: given.bytes.map_or(default.bytes, Size::as_usize),
        item_bytes: given.item_bytes.map_or(default.item_bytes, Size::as_usize),
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
