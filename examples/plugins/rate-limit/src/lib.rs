//! Answers 429 to a client that sends more requests than it may.

mod buckets;

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use buckets::Buckets;
use serde::Deserialize;
use wasm_host_guest::{
    Action, Config, Error, HeaderValue, LocalResponse, OnRequest, Plugin, Request, Result, exchange, export,
};

struct RateLimit {
    key: Key,
    buckets: Buckets,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    requests: NonZeroU32,
    per_seconds: NonZeroU32,
    key: Key,
    #[serde(default = "default_max_clients")]
    max_clients: NonZeroU32,
}

/// What tells clients apart.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Key {
    ClientAddress,
    Header(String),
}

/// Who a client is. The two kinds never meet, whatever a header says.
#[derive(Hash)]
enum Client {
    Address(Option<String>),
    Header(Vec<u8>),
}

impl Plugin for RateLimit {
    fn configure(config: Config) -> Result<Self> {
        let Settings { requests, per_seconds, key, max_clients } = config.parse()?;
        let period = Duration::from_secs(per_seconds.get().into());
        let buckets = Buckets::new(requests.get(), period, max_clients.get() as usize)
            .ok_or_else(|| Error::new("`requests`: more than one a nanosecond is no limit"))?;
        Ok(Self { key, buckets })
    }
}

impl OnRequest for RateLimit {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        match self.buckets.take(self.key.client(request), Instant::now()) {
            Ok(()) => Ok(Action::Continue),
            Err(wait) => refuse(wait),
        }
    }
}

impl Key {
    fn client(&self, request: &Request<'_>) -> Client {
        let header = match self {
            Self::ClientAddress => None,
            Self::Header(name) => request.header(name),
        };
        // Leaving the header out must not be a way around the limit.
        header.map_or_else(
            || Client::Address(exchange::client_address()),
            |value| Client::Header(HeaderValue::into_bytes(value)),
        )
    }
}

fn refuse(wait: Duration) -> Result<Action> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let response = LocalResponse::new(429)?
        .header("retry-after", seconds.to_string())?
        .header("content-type", "application/json")?
        .body(format!(r#"{{"error":"too many requests","retry_after_seconds":{seconds}}}"#))?;
    Ok(response.into())
}

fn default_max_clients() -> NonZeroU32 {
    const { NonZeroU32::new(10_000).unwrap() }
}

export!(RateLimit: request);
