//! Guests that ask their host for something.

use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{Grants, KvGrants, Limits, MemoryMetrics, PluginEngine, QueueGrants, RateLimitGrant};

use crate::common::{Logged, answered, ask, engine, load, load_with, passed, plugin, status, text};

#[tokio::test]
pub(crate) async fn native_measure() {
    let (logged, sink) = (Logged::default(), MemoryMetrics::default());
    let engine = PluginEngine::builder().max_instances(16).log_sink(logged.clone()).metric_sink(sink.clone());
    let engine = engine.build().unwrap();
    let denied = plugin(guest::NATIVE_MEASURE).load(&engine).await.unwrap();
    ask(&denied, &[]).await;
    assert_eq!(
        logged.lines(),
        [
            "test exchange-1 Warn host: metrics: denied `requests_total`: `grants.metrics` does not grant it",
            "test exchange-1 Info : count: The operator did not grant metrics.",
        ]
    );
    let grants = Grants { metrics: true, ..Grants::default() };
    let limits = Limits { metric_series: 10, ..Limits::default() };
    let measures = plugin(guest::NATIVE_MEASURE).grants(grants).limits(limits).load(&engine).await.unwrap();
    ask(&measures, &[]).await;
    ask(&measures, &[("x-flood", "1")]).await;
    assert_eq!(sink.read("test", "requests_total", &[("method", "GET")]), Some((2.0, 2)));
    assert_eq!(sink.read("test", "level", &[]), Some((0.25, 2)));
    assert_eq!(sink.read("test", "path_bytes", &[]), Some((10.0, 2)));
    assert_eq!(sink.read("test", "by_user_total", &[("user", "8")]), Some((1.0, 1)));
    assert_eq!(sink.read("test", "by_user_total", &[("user", "overflow")]), Some((991.0, 991)));
}

#[tokio::test]
pub(crate) async fn native_rate_limit() {
    let logged = Logged::default();
    let engine = logged.engine();
    let config = json!({ "window": [2, 60_000] });
    let limit = async |rate_limit| {
        let grants = Grants { rate_limit, ..Grants::default() };
        plugin(guest::NATIVE_RATE_LIMIT).config(config.clone()).grants(grants).load(&engine).await.unwrap()
    };
    let denied = limit(RateLimitGrant::None).await;
    let told = text(answered(ask(&denied, &[("x-key", "k")]).await).into_body()).await;
    assert_eq!(told, "rate limit not checked: `grants.rate_limit` is not given");
    assert_eq!(
        logged.lines(),
        ["test exchange-1 Warn host: rate-limit: denied `k`: `grants.rate_limit` does not grant it"]
    );
    let granted = limit(RateLimitGrant::Own).await;
    assert_eq!(status(&granted, &[("x-key", "k"), ("x-cost", "2")]).await, 200);
    assert_eq!(status(&granted, &[("x-key", "k")]).await, 429);
    assert_eq!(status(&granted, &[("x-key", "another")]).await, 200);
}

#[tokio::test]
pub(crate) async fn native_queue() {
    let grants = Grants { queues: QueueGrants { own: true, ..QueueGrants::default() }, ..Grants::default() };
    let config = json!({ "shows": "x-told", "sends": true, "receives": true });
    let queue = plugin(guest::NATIVE_QUEUE).config(config).grants(grants).load(engine()).await.unwrap();
    let told = passed(ask(&queue, &[("x-queue", "q"), ("x-send", "a"), ("x-receive", "2")]).await);
    assert_eq!(told.headers()["x-told"], "sent; a; 0");
}

#[tokio::test]
pub(crate) async fn native_leak() {
    // Told nothing, it keeps its secret; what it tells to whom has its own tests.
    assert_eq!(status(&load_with(guest::NATIVE_LEAK, json!({ "secret": "a" })).await, &[]).await, 0);
}

#[tokio::test]
pub(crate) async fn native_call_out() {
    let config = json!({ "on": "request", "url": "https://api.test/" });
    let denied = "host: http: denied the host `api.test`: `grants.http.hosts` does not grant it";
    let told = ": call denied: `grants.http` does not cover the host `api.test`";
    calls_without_a_client(
        guest::NATIVE_CALL_OUT,
        config,
        [denied, told],
        ": call failed: the host has no HTTP client",
    )
    .await;
}

#[tokio::test]
pub(crate) async fn native_call_wasi() {
    let config = json!({ "authority": "api.test", "path": "/" });
    let denied = "host: http: denied the host `api.test`: `grants.http.hosts` does not grant it";
    let told = ": ErrorCode::HttpRequestDenied";
    calls_without_a_client(guest::NATIVE_CALL_WASI, config, [told, denied], ": ErrorCode::DestinationUnavailable")
        .await;
}

/// What a guest logs without a grant, and with one when the engine has no client.
async fn calls_without_a_client(file: &str, config: Value, denied: [&str; 2], unavailable: &str) {
    let logged = Logged::default();
    let engine = logged.engine();
    ask(&plugin(file).config(config.clone()).load(&engine).await.unwrap(), &[]).await;
    let mut grants = Grants::default();
    grants.http.hosts = vec!["api.test".parse().unwrap()];
    grants.http.schemes = vec![http::uri::Scheme::HTTP, http::uri::Scheme::HTTPS];
    ask(&plugin(file).config(config).grants(grants).load(&engine).await.unwrap(), &[]).await;
    let lines = logged.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, end) in lines.iter().zip([denied[0], denied[1], unavailable]) {
        assert!(line.ends_with(end), "{line}");
    }
}

#[tokio::test]
pub(crate) async fn native_keep() {
    crate::kv::keeps().await;
}

#[tokio::test]
pub(crate) async fn native_cache() {
    let grants = Grants { cache: true, ..Grants::default() };
    let caches = plugin(guest::NATIVE_CACHE).grants(grants).load(&Logged::default().engine()).await.unwrap();
    let say = async |headers: &[(&str, &str)]| text(answered(ask(&caches, headers).await).into_body()).await;
    assert_eq!(say(&[("x-do", "get"), ("x-key", "a")]).await, "none");
    assert_eq!(say(&[("x-do", "set"), ("x-key", "a"), ("x-bytes", "5"), ("x-fresh", "60000")]).await, "()");
    assert!(say(&[("x-do", "get"), ("x-key", "a")]).await.starts_with("5 fresh renew=false "));
    assert_eq!(say(&[("x-do", "delete"), ("x-key", "a")]).await, "true");
    assert_eq!(say(&[("x-do", "delete"), ("x-key", "a")]).await, "false");
}

#[tokio::test]
pub(crate) async fn native_use_host() {
    // The benches call it; each of its calls works when it is granted, and fails it when it is not.
    let grants = Grants {
        metrics: true,
        cache: true,
        kv: KvGrants::own(),
        rate_limit: RateLimitGrant::Own,
        queues: QueueGrants { own: true, ..QueueGrants::default() },
        ..Grants::default()
    };
    let granted = plugin(guest::NATIVE_USE_HOST).grants(grants).load(engine()).await.unwrap();
    let denied = load(guest::NATIVE_USE_HOST).await;
    let free = ["nothing", "header", "property set", "property get", "log", "clock"];
    let by_grant = ["count", "kv get", "kv set", "kv increment", "cache get", "cache set", "rate limit", "queue"];
    for call in free.iter().chain(&by_grant) {
        assert_eq!(status(&granted, &[("x-call", call), ("x-times", "2")]).await, 0, "{call}");
    }
    for call in by_grant {
        assert_eq!(status(&denied, &[("x-call", call), ("x-times", "2")]).await, 500, "{call}");
    }
}
