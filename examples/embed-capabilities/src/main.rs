//! Backends of your own behind what plugins ask their host for: a rate limiter that counts in fixed windows, and a log that
//! prints.
//!
//! ```text
//! cargo xtask guests
//! cargo run -p embed-capabilities -- target/plugins/rate_limit.wasm
//! for i in 1 2 3 4; do curl -i http://127.0.0.1:3000/hello; done    # the fourth gets 429
//! ```
//!
//! Each capability has such a trait, and a method of the engine's builder that takes it: `KvStore`, `Cache`, `QueueStore`,
//! `HttpClient`, `SecretSource`, `MetricSink`, `Clock`.
#![allow(clippy::print_stdout, reason = "it tells its user where to ask")]

use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error,
    num::NonZeroU32,
    sync::Mutex,
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::json;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use wasm_host::{
    Body, BoxFuture, ExchangeFacts, Grants, LogRecord, LogSink, Plugin, PluginChain, PluginEngine, RateDecision,
    RateLimitGrant, RateLimitId, RateLimiter, RateLimiterUnavailable, RateRule,
};
use wasm_host_hyper::PluginLayer;

/// Counts in windows that all keys begin at the same moment: less exact than the default, and a few bytes a key.
#[derive(Debug)]
struct FixedWindows {
    started: Instant,
    counted: Mutex<HashMap<(String, String), (u64, u32)>>,
}

impl FixedWindows {
    fn count(&self, limit: RateLimitId<'_>, rule: RateRule, cost: NonZeroU32) -> Option<RateDecision> {
        let window = match rule {
            RateRule::SlidingWindow(rule) => rule.window(),
            RateRule::TokenBucket(rule) => rule.fills_in(),
        };
        let millis = u64::try_from(window.as_millis()).ok()?.max(1);
        let now = u64::try_from(self.started.elapsed().as_millis()).ok()?;
        let left = Duration::from_millis(millis - now % millis);

        let mut counted = self.counted.lock().ok()?;
        let of_key = counted.entry((limit.space.to_owned(), limit.key.to_owned())).or_default();
        if of_key.0 != now / millis {
            *of_key = (now / millis, 0);
        }
        let allowed = of_key.1.saturating_add(cost.get()) <= rule.limit();
        if allowed {
            of_key.1 += cost.get();
        }
        let retry_after = if allowed { Duration::ZERO } else { left };
        Some(RateDecision { allowed, remaining: rule.limit() - of_key.1, retry_after, reset: left })
    }
}

impl RateLimiter for FixedWindows {
    fn check<'a>(
        &'a self,
        limit: RateLimitId<'a>,
        rule: RateRule,
        cost: NonZeroU32,
    ) -> BoxFuture<'a, Result<RateDecision, RateLimiterUnavailable>> {
        let decision = self.count(limit, rule, cost);
        Box::pin(async move { decision.ok_or_else(|| RateLimiterUnavailable("cannot count by this rule".into())) })
    }
}

/// Prints what plugins log.
#[derive(Debug)]
struct Print;

impl LogSink for Print {
    fn log(&self, record: &LogRecord<'_>) {
        eprintln!("{} {:?}: {}", record.plugin, record.level, record.message.escape_debug());
    }
}

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("hello from hyper\n")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let file = std::env::args().nth(1).ok_or("usage: embed-capabilities PLUGIN.wasm")?;
    let windows = FixedWindows { started: Instant::now(), counted: Mutex::default() };
    let engine = PluginEngine::builder().rate_limiter(windows).log_sink(Print).build()?;
    let plugin = Plugin::builder("limit")
        .file(file)
        .config(json!({ "requests": 3, "per_seconds": 60, "key": "client-address" }))
        .grants(Grants { rate_limit: RateLimitGrant::Own, ..Grants::default() })
        .load(&engine)
        .await?;
    let layer = PluginLayer::new(PluginChain::new([plugin])?);

    let listener = TcpListener::bind(("127.0.0.1", 3000)).await?;
    println!("http://{}/hello", listener.local_addr()?);
    loop {
        let (stream, client) = listener.accept().await?;
        let facts = ExchangeFacts { client_address: Some(client.ip()), ..ExchangeFacts::default() };
        let service = ServiceBuilder::new()
            .map_request(move |mut request: Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(facts.clone());
                request
            })
            .layer(layer.clone())
            .service_fn(hello);
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(service);
            if let Err(error) = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
                eprintln!("connection: {error}");
            }
        });
    }
}
