//! Rate limits that are exact across instances and gateways. They need the operator's grant.
//!
//! ```
//! use wasm_host_guest::{
//!     Action, LocalResponse, Request, Result,
//!     rate_limit::{self, SlidingWindow},
//! };
//!
//! fn on_request(request: &Request<'_>) -> Result<Action> {
//!     let ten_a_second = SlidingWindow { limit: 10, window_ms: 1000 };
//!     let decision = rate_limit::check(&request.path(), ten_a_second, 1)?;
//!     if decision.allowed {
//!         return Ok(Action::Continue);
//!     }
//!     let seconds = decision.retry_after_ms.div_ceil(1000);
//!     Ok(LocalResponse::new(429)?.header("retry-after", seconds.to_string())?.into())
//! }
//! ```

use crate::bindings::imports::wasm_host::plugin::rate_limit;

pub use rate_limit::{Decision, RateLimitError, Rule, SlidingWindow, TokenBucket};

/// Admits the cost under the rule if there is room for all of it. A key has 1 to 512 bytes.
pub fn check(key: &str, rule: impl Into<Rule>, cost: u32) -> Result<Decision, RateLimitError> {
    rate_limit::check(key, rule.into(), cost)
}

impl From<TokenBucket> for Rule {
    fn from(bucket: TokenBucket) -> Self {
        Self::TokenBucket(bucket)
    }
}

impl From<SlidingWindow> for Rule {
    fn from(window: SlidingWindow) -> Self {
        Self::SlidingWindow(window)
    }
}
