use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use http::Request;
use plugin_tests::RATE_LIMIT;
use serde_json::{Value, json};
use wasm_host::{Body, ExchangeFacts, Limits, PluginChain, PoolPolicy, Reuse};

use crate::harness::{Passed, answer, builder, engine, example_config, exchange, facts, get, refusal, send};

#[path = "../../../plugins/rate-limit/src/buckets.rs"]
mod buckets;

/// As the README says: one instance, used again.
async fn limiter(config: Value) -> PluginChain {
    let plugin = builder(RATE_LIMIT, config)
        .pool(PoolPolicy::Reuse(Reuse::default()))
        .limits(Limits { concurrency: 1, ..Limits::default() });
    PluginChain::new([plugin.load(engine()).await.unwrap()]).unwrap()
}

async fn send_from(chain: &PluginChain, address: IpAddr, request: Request<Body>) -> Passed {
    let facts = ExchangeFacts { client_address: Some(address), ..facts("rate") };
    exchange(chain, facts, request, answer(200, &[])).await
}

async fn statuses(chain: &PluginChain, requests: usize, headers: &[(&str, &str)]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(send(chain, get("/", headers)).await.status());
    }
    statuses
}

#[tokio::test]
async fn refuses_a_client_that_is_over_its_limit() {
    let chain = limiter(example_config(RATE_LIMIT)).await;
    assert_eq!(statuses(&chain, 3, &[]).await, [200, 200, 200]);
    let passed = send(&chain, get("/", &[])).await;
    assert_eq!(passed.status(), 429);
    assert!(passed.upstream.is_none());
    let wait: u64 = passed.header("retry-after")[0].parse().unwrap();
    assert!((1..=20).contains(&wait), "one request of three a minute comes back within 20 s: {wait}");
    assert_eq!(passed.header("content-type"), ["application/json"]);
    assert_eq!(passed.json(), json!({ "error": "too many requests", "retry_after_seconds": wait }));
}

#[tokio::test]
async fn counts_each_address_for_itself() {
    let chain = limiter(json!({ "requests": 1, "per_seconds": 3600, "key": "client-address" })).await;
    for address in [[192, 0, 2, 1], [192, 0, 2, 2]] {
        assert_eq!(send_from(&chain, address.into(), get("/", &[])).await.status(), 200);
        assert_eq!(send_from(&chain, address.into(), get("/", &[])).await.status(), 429);
    }
}

#[tokio::test]
async fn counts_by_the_configured_header() {
    let chain = limiter(json!({ "requests": 1, "per_seconds": 3600, "key": { "header": "x-consumer" } })).await;
    assert_eq!(statuses(&chain, 2, &[("x-consumer", "a")]).await, [200, 429]);
    assert_eq!(statuses(&chain, 2, &[("x-consumer", "b")]).await, [200, 429]);
}

#[tokio::test]
async fn counts_by_address_when_the_header_is_left_out() {
    let chain = limiter(json!({ "requests": 1, "per_seconds": 3600, "key": { "header": "x-consumer" } })).await;
    assert_eq!(statuses(&chain, 2, &[]).await, [200, 429]);
    assert_eq!(statuses(&chain, 1, &[("x-consumer", "192.0.2.1")]).await, [200]);
}

#[tokio::test]
async fn admits_no_more_than_the_limit_at_once() {
    let chain = limiter(json!({ "requests": 5, "per_seconds": 3600, "key": "client-address" })).await;
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let chain = chain.clone();
            tokio::spawn(async move { send(&chain, get("/", &[])).await.status() })
        })
        .collect();
    let mut admitted = 0;
    for request in requests {
        admitted += usize::from(request.await.unwrap() == 200);
    }
    assert_eq!(admitted, 5);
}

#[tokio::test]
async fn memory_stays_bounded_however_many_clients_come() {
    let config = json!({ "requests": 1, "per_seconds": 3600, "key": { "header": "x-key" }, "max_clients": 100 });
    let chain = limiter(config).await;
    let memory = |chain: &PluginChain| chain.plugins()[0].stats().idle_memory;
    let flood = async |keys: std::ops::Range<u32>| {
        for key in keys {
            let key = format!("{key}-{}", "x".repeat(1000));
            assert_eq!(send(&chain, get("/", &[("x-key", &key)])).await.status(), 200);
        }
    };
    flood(0..200).await;
    let before = memory(&chain);
    assert!(before > 0);
    flood(200..2000).await;
    assert_eq!(memory(&chain), before);
}

#[tokio::test]
async fn refuses_bad_configs() {
    for (config, text) in [
        (json!(null), "missing field `requests`"),
        (json!({ "requests": 0, "per_seconds": 1, "key": "client-address" }), "nonzero"),
        (json!({ "requests": 1, "per_seconds": 0, "key": "client-address" }), "nonzero"),
        (
            json!({ "requests": 1, "per_seconds": 1, "key": "ip" }),
            "unknown variant `ip`, expected `client-address` or `header`",
        ),
        (json!({ "requests": 2_000_000_000, "per_seconds": 1, "key": "client-address" }), "more than one a nanosecond"),
        (json!({ "requests": 1, "per_seconds": 1, "key": "client-address", "burst": 2 }), "unknown field `burst`"),
    ] {
        let error = refusal(RATE_LIMIT, config).await;
        assert!(error.contains(text), "{error}");
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_token_comes_back_after_its_interval() {
    let mut buckets = buckets::Buckets::new(3, MINUTE, 10).unwrap();
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(buckets.take("a", start), Ok(()));
    }
    assert_eq!(buckets.take("a", start), Err(MINUTE / 3));
    assert_eq!(buckets.take("a", start + MINUTE / 6), Err(MINUTE / 6));
    assert_eq!(buckets.take("a", start + MINUTE / 3), Ok(()));
    assert_eq!(buckets.take("a", start + MINUTE / 3), Err(MINUTE / 3));
}

#[test]
fn a_bucket_never_holds_more_than_it_can() {
    let mut buckets = buckets::Buckets::new(2, MINUTE, 10).unwrap();
    let later = Instant::now() + 100 * MINUTE;
    assert_eq!([(); 3].map(|()| buckets.take("a", later).is_ok()), [true, true, false]);
}

#[test]
fn a_refused_request_takes_nothing() {
    let mut buckets = buckets::Buckets::new(1, MINUTE, 10).unwrap();
    let start = Instant::now();
    assert_eq!(buckets.take("a", start), Ok(()));
    for _ in 0..10 {
        assert_eq!(buckets.take("a", start), Err(MINUTE));
    }
    assert_eq!(buckets.take("a", start + MINUTE), Ok(()));
}

#[test]
fn the_clients_that_used_most_are_forgotten_last() {
    let mut buckets = buckets::Buckets::new(10, MINUTE, 4).unwrap();
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(buckets.take("greedy", start), Ok(()));
    }
    for client in 0..1000 {
        assert_eq!(buckets.take(client, start), Ok(()));
    }
    assert!(buckets.take("greedy", start).is_err());
}
