//! Guest → host: rate limits.

use std::time::Duration;

use wasmtime::Result;

use super::bindings::wasm_host::plugin::rate_limit::{self, Decision, RateLimitError, Rule};
use crate::{
    LogLevel, RateDecision, RateRule, SlidingWindow, TokenBucket,
    capability::{self, RuleError},
    store::HostState,
};

impl rate_limit::Host for HostState {
    async fn check(&mut self, key: String, rule: Rule, cost: u32) -> Result<Result<Decision, RateLimitError>> {
        use capability::RateLimitError as E;

        self.count_hostcall()?;
        let decided = self.plugin.rate_limits.check(&key, checked(rule), cost).await;
        Ok(decided.map(decision).map_err(|error| match error {
            E::Denied => {
                self.denied("rate-limit", "grants.rate_limit", &format!("`{key}`"));
                RateLimitError::Denied
            }
            E::InvalidKey => RateLimitError::InvalidKey,
            E::InvalidRule(RuleError(bound)) => RateLimitError::InvalidRule(bound.to_owned()),
            E::InvalidCost => RateLimitError::InvalidCost,
            E::TooManyKeys => RateLimitError::TooManyKeys,
            E::Unavailable(reason) => {
                self.log(LogLevel::Warn, "host", &format!("rate-limit: unavailable: {reason}"));
                RateLimitError::Unavailable
            }
        }))
    }
}

fn checked(rule: Rule) -> Result<RateRule, RuleError> {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    match rule {
        Rule::TokenBucket(rule) => {
            TokenBucket::checked(rule.capacity, rule.refill, ms(rule.period_ms)).map(RateRule::TokenBucket)
        }
        Rule::SlidingWindow(rule) => {
            SlidingWindow::checked(rule.limit, ms(rule.window_ms)).map(RateRule::SlidingWindow)
        }
    }
}

fn decision(decision: RateDecision) -> Decision {
    Decision {
        allowed: decision.allowed,
        remaining: decision.remaining,
        retry_after_ms: whole_ms(decision.retry_after),
        reset_ms: whole_ms(decision.reset),
    }
}

/// Rounded up: who comes back then is not early.
fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
