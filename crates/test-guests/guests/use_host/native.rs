//! Makes one kind of hostcall, as often as the request's headers say.

use std::time::{Duration, SystemTime};

use wasm_host_guest::{
    Action, Config, Error, OnRequest, Plugin, Request, Result, cache, exchange, export, kv, log, metrics, properties,
    queue,
    rate_limit::{self, TokenBucket},
};

struct UseHost;

impl Plugin for UseHost {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for UseHost {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let word = |name: &str| request.header(name).and_then(|value| value.to_str().map(str::to_owned));
        let call = word("x-call").unwrap_or_default();
        let times = word("x-times").and_then(|times| times.parse().ok()).unwrap_or(0);
        let bucket = if call.starts_with("kv") { Some(kv::Bucket::own()?) } else { None };
        for _ in 0..times {
            match &bucket {
                Some(bucket) => once_of_kv(&call, bucket)?,
                None => once(&call, request)?,
            }
        }
        Ok(Action::Continue)
    }
}

fn once(call: &str, request: &Request<'_>) -> Result<()> {
    const BUCKET: TokenBucket = TokenBucket { capacity: 1_000_000, refill: 1_000_000, period_ms: 1000 };
    match call {
        "nothing" => {
            std::hint::black_box(exchange::received_at());
        }
        "header" => drop(std::hint::black_box(request.header("host"))),
        "property set" => properties::set("key", "value")?,
        "property get" => drop(std::hint::black_box(properties::get("key"))),
        "log" => log::debug("a message of some length"),
        "clock" => drop(std::hint::black_box(SystemTime::now())),
        "count" => metrics::count("calls_total", &[("kind", "bench")], 1)?,
        "cache get" => drop(std::hint::black_box(cache::get("key")?)),
        "cache set" => cache::set("key", "value", cache::Lifetime::fresh_for(Duration::from_secs(60)))?,
        "rate limit" => drop(rate_limit::check("key", BUCKET, 1)?),
        "queue" => {
            queue::enqueue("own", "item")?;
            queue::dequeue("own")?;
        }
        other => return Err(Error::new(format!("no such call: {other}"))),
    }
    Ok(())
}

fn once_of_kv(call: &str, bucket: &kv::Bucket) -> Result<()> {
    match call {
        "kv get" => drop(std::hint::black_box(bucket.get("key")?)),
        "kv set" => bucket.set("key", "value")?,
        "kv increment" => drop(bucket.increment("counter", 1)?),
        other => return Err(Error::new(format!("no such call: {other}"))),
    }
    Ok(())
}

export!(UseHost: request);
