use std::net::IpAddr;

use http::Request;
use plugin_tests::RATE_LIMIT;
use serde_json::{Value, json};
use wasm_host::{Body, ExchangeFacts, Grants, Limits, Plugin, PluginChain, RateLimitGrant};

use crate::harness::{Passed, answer, assert_closed, engine, example_config, exchange, facts, get, refusal, send};

/// Under a name of its own: the tests share the engine, and with it the limits.
async fn limiter(name: &str, config: Value) -> PluginChain {
    limiter_with(name, config, Grants { rate_limit: RateLimitGrant::Own, ..Grants::default() }).await
}

async fn limiter_with(name: &str, config: Value, grants: Grants) -> PluginChain {
    let limits = Limits { rate_limit_keys: 100, ..Limits::default() };
    let plugin = Plugin::builder(name).file(RATE_LIMIT.file).config(config).grants(grants).limits(limits);
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
    for (algorithm, longest) in [("token-bucket", 20), ("sliding-window", 60)] {
        let mut config = example_config(RATE_LIMIT);
        config["algorithm"] = json!(algorithm);
        let chain = limiter(algorithm, config).await;
        assert_eq!(statuses(&chain, 3, &[]).await, [200, 200, 200]);
        let passed = send(&chain, get("/", &[])).await;
        assert_eq!(passed.status(), 429);
        assert!(passed.upstream.is_none());
        let wait: u64 = passed.header("retry-after")[0].parse().unwrap();
        assert!((1..=longest).contains(&wait), "the next request of three a minute with {algorithm}: {wait}");
        assert_eq!(passed.header("content-type"), ["application/json"]);
        assert_eq!(passed.json(), json!({ "error": "too many requests", "retry_after_seconds": wait }));
        assert_eq!(passed.header("ratelimit-policy"), [r#""requests";q=3;w=60"#]);
        let state = passed.header("ratelimit")[0];
        let reset: u64 = state.strip_prefix(r#""requests";r=0;t="#).unwrap().parse().unwrap();
        assert!((wait..=60).contains(&reset), "{state}");
    }
}

#[tokio::test]
async fn counts_each_address_for_itself() {
    let chain = limiter("by-address", json!({ "requests": 1, "per_seconds": 3600, "key": "client-address" })).await;
    for address in [[192, 0, 2, 1], [192, 0, 2, 2]] {
        assert_eq!(send_from(&chain, address.into(), get("/", &[])).await.status(), 200);
        assert_eq!(send_from(&chain, address.into(), get("/", &[])).await.status(), 429);
    }
}

#[tokio::test]
async fn counts_by_the_configured_header() {
    let config = json!({ "requests": 1, "per_seconds": 3600, "key": { "header": "x-consumer" } });
    let chain = limiter("by-header", config).await;
    assert_eq!(statuses(&chain, 2, &[("x-consumer", "a")]).await, [200, 429]);
    assert_eq!(statuses(&chain, 2, &[("x-consumer", "b")]).await, [200, 429]);
    assert_eq!(statuses(&chain, 2, &[("x-consumer", &"b".repeat(500))]).await, [200, 429]);
}

#[tokio::test]
async fn counts_by_address_when_the_header_is_no_use() {
    let config = json!({ "requests": 1, "per_seconds": 3600, "key": { "header": "x-consumer" } });
    let chain = limiter("left-out", config).await;
    assert_eq!(statuses(&chain, 2, &[]).await, [200, 429]);
    assert_eq!(statuses(&chain, 1, &[("x-consumer", &"a".repeat(501))]).await, [429]);
    assert_eq!(statuses(&chain, 1, &[("x-consumer", "192.0.2.1")]).await, [200]);
}

#[tokio::test]
async fn admits_no_more_than_the_limit_at_once() {
    let chain = limiter("at-once", json!({ "requests": 5, "per_seconds": 3600, "key": "client-address" })).await;
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
async fn plugins_may_share_a_limit() {
    let config = || json!({ "requests": 2, "per_seconds": 3600, "key": "client-address" });
    let shared = || Grants { rate_limit: RateLimitGrant::Shared("api".into()), ..Grants::default() };
    let one = limiter_with("one", config(), shared()).await;
    let other = limiter_with("other", config(), shared()).await;
    assert_eq!(statuses(&one, 1, &[]).await, [200]);
    assert_eq!(statuses(&other, 2, &[]).await, [200, 429]);
}

#[tokio::test]
async fn fails_without_its_grant_and_over_its_quota() {
    let config = json!({ "requests": 1, "per_seconds": 3600, "key": { "header": "x-key" } });
    let denied = limiter_with("denied", config.clone(), Grants::default()).await;
    assert_closed(&send(&denied, get("/", &[])).await);
    let flooded = limiter("flooded", config).await;
    for client in 0..100 {
        assert_eq!(statuses(&flooded, 1, &[("x-key", &client.to_string())]).await, [200]);
    }
    assert_closed(&send(&flooded, get("/", &[("x-key", "one too many")])).await);
    assert_eq!(statuses(&flooded, 1, &[("x-key", "0")]).await, [429], "who is known is still refused");
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
        (json!({ "requests": 2_000_000, "per_seconds": 1, "key": "client-address" }), "`requests`: at most 1000000"),
        (
            json!({ "requests": 10_001, "per_seconds": 1, "key": "client-address", "algorithm": "sliding-window" }),
            "`requests`: at most 10000",
        ),
        (json!({ "requests": 1, "per_seconds": 2_678_401, "key": "client-address" }), "`per_seconds`: at most 2678400"),
        (json!({ "requests": 1, "per_seconds": 1, "key": "client-address", "burst": 2 }), "unknown field `burst`"),
    ] {
        let error = refusal(RATE_LIMIT, config).await;
        assert!(error.contains(text), "{error}");
    }
}
