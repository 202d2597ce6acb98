//! Counting what a plugin admits, against a limit that instances and gateways may share.

mod memory;
mod plugin;
mod rule;
mod used;
mod window;

use std::{fmt, num::NonZeroU32, time::Duration};

pub use self::{
    memory::MemoryRateLimiter,
    rule::{RateRule, SlidingWindow, TokenBucket},
};
pub(crate) use self::{
    plugin::{PluginRateLimits, RateLimitError},
    rule::RuleError,
};
use super::BoxFuture;

/// Where rate limits are counted.
///
/// Implement it to count elsewhere, and give it to [`PluginEngineBuilder::rate_limiter`].
///
/// [`PluginEngineBuilder::rate_limiter`]: crate::PluginEngineBuilder::rate_limiter
pub trait RateLimiter: Send + Sync + fmt::Debug {
    /// Admits `cost` under the rule when there is room for all of it, and otherwise counts nothing: one step, which
    /// no other check of the same limit comes between. `cost` is at most what the rule ever admits at once.
    ///
    /// A waiting check holds no thread. One that is dropped may or may not have counted.
    fn check<'a>(
        &'a self,
        limit: RateLimitId<'a>,
        rule: RateRule,
        cost: NonZeroU32,
    ) -> BoxFuture<'a, Result<RateDecision, RateLimiterUnavailable>>;
}

/// Whether a plugin may use rate limits, and whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RateLimitGrant {
    /// None at all.
    #[default]
    None,
    /// Limits of its own: a plugin of the same name on another gateway has the same, where they share the limiter.
    Own,
    /// The limits of this name, together with the other plugins that are granted them.
    Shared(String),
}

/// What names a limit, together with its rule: under another rule the same key is another limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimitId<'a> {
    /// Whose limits: those of one plugin, or those that several share.
    pub space: &'a str,
    /// What is limited, in the words of the guest: any text of 1 to 512 bytes.
    pub key: &'a str,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateDecision {
    /// Whether the cost was admitted, and counted.
    pub allowed: bool,
    /// How much more would be admitted now.
    pub remaining: u32,
    /// When the same cost will be admitted if nobody else comes first; zero when it was.
    pub retry_after: Duration,
    /// When everything will be available again if nobody comes, to the token: then the limit takes no memory any more.
    pub reset: Duration,
}

/// A limiter could not decide; with the reason, for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RateLimiterUnavailable(pub String);
