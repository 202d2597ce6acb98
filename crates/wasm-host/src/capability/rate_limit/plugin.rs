use std::{num::NonZeroU32, sync::Arc};

use parking_lot::Mutex;

use super::{RateDecision, RateLimitGrant, RateLimitId, RateLimiter, RateRule, RuleError, used::Used};
use crate::{capability::Clock, compute::home};

/// Bytes of a key.
const KEY_BYTES: usize = 512;

/// Why nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RateLimitError {
    Denied,
    InvalidKey,
    InvalidRule(RuleError),
    InvalidCost,
    TooManyKeys,
    Unavailable(String),
}

/// The rate limits of one plugin: whether it may use them, and how many it may have in use.
#[derive(Debug)]
pub(crate) struct PluginRateLimits {
    limiter: Arc<dyn RateLimiter>,
    clock: Arc<dyn Clock>,
    /// Whose limits these are; none without the grant.
    space: Option<Box<str>>,
    used: Mutex<Used>,
}

impl PluginRateLimits {
    pub(crate) fn new(
        limiter: Arc<dyn RateLimiter>,
        clock: Arc<dyn Clock>,
        (plugin, grant): (&str, &RateLimitGrant),
        quota: usize,
    ) -> Self {
        let space = match grant {
            RateLimitGrant::None => None,
            RateLimitGrant::Own => Some(format!("plugin:{plugin}").into()),
            RateLimitGrant::Shared(name) => Some(format!("shared:{name}").into()),
        };
        Self { limiter, clock, space, used: Mutex::new(Used::new(quota)) }
    }

    /// Admits the cost under the rule, or not.
    pub(crate) async fn check(
        &self,
        key: &str,
        rule: Result<RateRule, RuleError>,
        cost: u32,
    ) -> Result<RateDecision, RateLimitError> {
        let space = self.space.as_deref().ok_or(RateLimitError::Denied)?;
        if key.is_empty() || key.len() > KEY_BYTES {
            return Err(RateLimitError::InvalidKey);
        }
        let rule = rule.map_err(RateLimitError::InvalidRule)?;
        let cost = NonZeroU32::new(cost).filter(|cost| cost.get() <= rule.limit());
        let cost = cost.ok_or(RateLimitError::InvalidCost)?;
        self.used.lock().take(rule, key, self.clock.monotonic()).map_err(|_| RateLimitError::TooManyKeys)?;
        home().await;
        let decision = self.limiter.check(RateLimitId { space, key }, rule, cost).await;
        let decision = decision.map_err(|error| RateLimitError::Unavailable(error.to_string()))?;
        let whole_at = self.clock.monotonic().saturating_add(decision.reset);
        self.used.lock().note(rule, key, whole_at);
        Ok(decision)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{MemoryRateLimiter, SlidingWindow, TokenBucket, capability::ManualClock};

    fn limits(limiter: &Arc<MemoryRateLimiter>, clock: &ManualClock, of: (&str, RateLimitGrant)) -> PluginRateLimits {
        let limiter = Arc::clone(limiter) as Arc<dyn RateLimiter>;
        PluginRateLimits::new(limiter, Arc::new(clock.clone()), (of.0, &of.1), 100)
    }

    fn setup() -> (Arc<MemoryRateLimiter>, ManualClock) {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        (Arc::new(MemoryRateLimiter::with_clock(Arc::new(clock.clone()))), clock)
    }

    fn window(limit: u32) -> Result<RateRule, RuleError> {
        SlidingWindow::checked(limit, Duration::from_secs(1)).map(RateRule::SlidingWindow)
    }

    #[tokio::test]
    async fn plugins_share_what_they_are_granted_to_share() {
        let (limiter, clock) = setup();
        let shared = || RateLimitGrant::Shared("logins".into());
        let [one, other] = ["one", "other"].map(|plugin| limits(&limiter, &clock, (plugin, shared())));
        let alone = limits(&limiter, &clock, ("logins", RateLimitGrant::Own));
        let denied = limits(&limiter, &clock, ("one", RateLimitGrant::None));
        let admitted = async |limits: &PluginRateLimits| limits.check("k", window(2), 1).await.map(|d| d.allowed);
        assert_eq!(admitted(&one).await, Ok(true));
        assert_eq!(admitted(&other).await, Ok(true));
        assert_eq!(admitted(&one).await, Ok(false));
        assert_eq!(admitted(&alone).await, Ok(true));
        assert_eq!(admitted(&denied).await, Err(RateLimitError::Denied));
    }

    #[tokio::test]
    async fn refuses_what_makes_no_sense() {
        let (limiter, clock) = setup();
        let limits = limits(&limiter, &clock, ("p", RateLimitGrant::Own));
        let long = "k".repeat(513);
        for (key, limit, cost, error) in [
            ("", 1, 1, RateLimitError::InvalidKey),
            (&*long, 1, 1, RateLimitError::InvalidKey),
            ("k", 0, 1, RateLimitError::InvalidRule(RuleError("`limit` is 1 to 10,000"))),
            ("k", 1, 0, RateLimitError::InvalidCost),
            ("k", 1, 2, RateLimitError::InvalidCost),
        ] {
            assert_eq!(limits.check(key, window(limit), cost).await, Err(error));
        }
        assert!(limits.check("a\0b/../\u{202e}", window(1), 1).await.unwrap().allowed);
    }

    #[tokio::test]
    async fn a_key_too_many_is_refused_until_another_is_whole() {
        let (limiter, clock) = setup();
        let limits = limits(&limiter, &clock, ("p", RateLimitGrant::Own));
        let bucket = || TokenBucket::checked(10, 10, Duration::from_secs(1)).map(RateRule::TokenBucket);
        for key in 0..100 {
            assert!(limits.check(&key.to_string(), bucket(), 1).await.unwrap().allowed);
        }
        assert_eq!(limits.check("100", bucket(), 1).await, Err(RateLimitError::TooManyKeys));
        assert!(limits.check("0", bucket(), 1).await.unwrap().allowed, "a key in use goes on");
        clock.advance(Duration::from_millis(100));
        assert!(limits.check("100", bucket(), 1).await.unwrap().allowed, "one token of each bucket is back");
    }
}
