use std::{fmt, num::NonZeroU32, time::Duration};

use redis::Script;
use wasm_host::{
    BoxFuture, RateDecision, RateLimitId, RateLimiter, RateLimiterUnavailable, RateRule, SlidingWindow, TokenBucket,
};

use super::Redis;

/// Counts rate limits in a Redis server: all that share the server and the prefix admit the limit together.
///
/// A check is one script, which the server runs as one step, by the server's own time. A key goes by itself when its limit
/// is whole again. What the scripts use is there from Redis 5 on.
pub struct RedisRateLimiter {
    redis: Redis,
    bucket: Script,
    window: Script,
}

impl RedisRateLimiter {
    /// Counts there.
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            bucket: Script::new(include_str!("token_bucket.lua")),
            window: Script::new(include_str!("sliding_window.lua")),
        }
    }

    async fn take(
        &self,
        limit: RateLimitId<'_>,
        rule: TokenBucket,
        cost: NonZeroU32,
    ) -> Result<RateDecision, redis::RedisError> {
        let interval = whole(rule.interval().as_nanos());
        let key = self.key(limit, &format!("bucket:{}:{interval}", rule.capacity()));
        let mut script = self.bucket.key(key);
        script.arg(interval).arg(rule.capacity().get()).arg(cost.get());
        let (allowed, number): (bool, u64) = self.redis.run(&script).await?;
        Ok(match allowed {
            true => rule.admitted(u32::try_from(number).unwrap_or(u32::MAX)),
            false => rule.refused(cost, Duration::from_nanos(number)),
        })
    }

    async fn admit(
        &self,
        limit: RateLimitId<'_>,
        rule: SlidingWindow,
        cost: NonZeroU32,
    ) -> Result<RateDecision, redis::RedisError> {
        let window = whole(rule.window().as_millis());
        let key = self.key(limit, &format!("window:{}:{window}", rule.limit()));
        let mut script = self.window.key(key);
        script.arg(window).arg(rule.limit().get()).arg(cost.get());
        let (allowed, remaining, retry_after, reset): (bool, u32, u64, u64) = self.redis.run(&script).await?;
        let (retry_after, reset) = (Duration::from_millis(retry_after), Duration::from_millis(reset));
        Ok(RateDecision { allowed, remaining, retry_after, reset })
    }

    /// The guest's words come last, and the length of the space's name before it: no two limits have one key.
    fn key(&self, RateLimitId { space, key }: RateLimitId<'_>, rule: &str) -> String {
        format!("{}rate:{}:{space}:{rule}:{key}", self.redis.prefix(), space.len())
    }
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl RateLimiter for RedisRateLimiter {
    fn check<'a>(
        &'a self,
        limit: RateLimitId<'a>,
        rule: RateRule,
        cost: NonZeroU32,
    ) -> BoxFuture<'a, Result<RateDecision, RateLimiterUnavailable>> {
        Box::pin(async move {
            let decision = match rule {
                RateRule::TokenBucket(rule) => self.take(limit, rule, cost).await,
                RateRule::SlidingWindow(rule) => self.admit(limit, rule, cost).await,
            };
            decision.map_err(|error| RateLimiterUnavailable(format!("Redis: {error}")))
        })
    }
}

impl fmt::Debug for RedisRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRateLimiter").field("redis", &self.redis).finish_non_exhaustive()
    }
}
