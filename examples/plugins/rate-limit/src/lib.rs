//! Answers 429 to a client that sends more requests than it may.

use std::num::NonZeroU32;

use serde::Deserialize;
use wasm_host_guest::{
    Action, Config, Error, LocalResponse, OnRequest, Plugin, Request, Result, exchange, export,
    rate_limit::{self, Decision, Rule, SlidingWindow, TokenBucket},
};

/// Bytes of a header that tells clients apart. A key has at most 512.
const HEADER_BYTES: usize = 500;
/// The host's bounds, so that a config beyond them is refused when it is loaded.
const BUCKET_REQUESTS: u32 = 1_000_000;
const WINDOW_REQUESTS: u32 = 10_000;
const SECONDS: u32 = 31 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimit {
    requests: NonZeroU32,
    per_seconds: NonZeroU32,
    key: Key,
    #[serde(default)]
    algorithm: Algorithm,
}

/// What tells clients apart.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Key {
    ClientAddress,
    Header(String),
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Algorithm {
    #[default]
    TokenBucket,
    SlidingWindow,
}

impl Plugin for RateLimit {
    fn configure(config: Config) -> Result<Self> {
        let limit: Self = config.parse()?;
        let most = match limit.algorithm {
            Algorithm::TokenBucket => BUCKET_REQUESTS,
            Algorithm::SlidingWindow => WINDOW_REQUESTS,
        };
        if limit.requests.get() > most {
            return Err(Error::new(format!("`requests`: at most {most} with this `algorithm`")));
        }
        if limit.per_seconds.get() > SECONDS {
            return Err(Error::new(format!("`per_seconds`: at most {SECONDS}, which is 31 days")));
        }
        Ok(limit)
    }
}

impl OnRequest for RateLimit {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let decision = rate_limit::check(&self.key.client(request), self.rule(), 1)?;
        if decision.allowed { Ok(Action::Continue) } else { self.refuse(decision) }
    }
}

impl RateLimit {
    fn rule(&self) -> Rule {
        let (requests, ms) = (self.requests.get(), self.per_seconds.get() * 1000);
        match self.algorithm {
            Algorithm::TokenBucket => TokenBucket { capacity: requests, refill: requests, period_ms: ms }.into(),
            Algorithm::SlidingWindow => SlidingWindow { limit: requests, window_ms: ms }.into(),
        }
    }

    fn refuse(&self, decision: Decision) -> Result<Action> {
        let Self { requests, per_seconds, .. } = self;
        let wait = decision.retry_after_ms.div_ceil(1000);
        let reset = decision.reset_ms.div_ceil(1000);
        let response = LocalResponse::new(429)?
            .header("retry-after", wait.to_string())?
            .header("ratelimit-policy", format!(r#""requests";q={requests};w={per_seconds}"#))?
            .header("ratelimit", format!(r#""requests";r={};t={reset}"#, decision.remaining))?
            .header("content-type", "application/json")?
            .body(format!(r#"{{"error":"too many requests","retry_after_seconds":{wait}}}"#))?;
        Ok(response.into())
    }
}

impl Key {
    /// Who a client is. The two kinds never meet, whatever a header says.
    fn client(&self, request: &Request<'_>) -> String {
        let header = match self {
            Self::ClientAddress => None,
            Self::Header(name) => request.header(name),
        };
        let value = header.as_ref().and_then(|value| value.to_str()).filter(|value| value.len() <= HEADER_BYTES);
        match value {
            Some(value) => format!("header {value}"),
            // Neither leaving the header out nor overdoing it must be a way around the limit.
            None => format!("address {}", exchange::client_address().unwrap_or_default()),
        }
    }
}

export!(RateLimit: request);
