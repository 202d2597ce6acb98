//! The same, for a guest that was written against `wasi:http`.

use std::time::Duration;

use serde_json::{Value, json};
use test_guests::NATIVE_CALL_WASI;
use wasm_host::{ExchangeFacts, Limits, Plugin, PluginChain, PoolPolicy, Reuse};

use super::support::{Calls, Server, patient, request, response};

fn config(server: &Server, path: &str) -> Value {
    json!({ "authority": format!("localhost:{}", server.port()), "path": path })
}

async fn reused(calls: &Calls, config: Value, server: &Server, limits: Limits) -> Plugin {
    let plugin = calls.plugin("p", NATIVE_CALL_WASI).config(config).grants(server.grant()).limits(limits);
    plugin.pool(PoolPolicy::Reuse(Reuse::default())).load(&calls.engine).await.unwrap()
}

async fn gets(server: &Server, path: &str, change: impl FnOnce(&mut Limits)) -> Vec<String> {
    let calls = Calls::new();
    let mut limits = patient();
    change(&mut limits);
    let plugin = reused(&calls, config(server, path), server, limits).await;
    calls.ask(&plugin).await
}

/// One exchange with this header.
async fn exchange(plugin: &Plugin, what: &str) {
    let mut exchange = PluginChain::new([plugin.clone()]).unwrap().exchange(ExchangeFacts::default());
    drop(exchange.on_request(request(&[("x-do", what)])).await);
    drop(exchange.on_response(response()).await);
    assert!(exchange.failures().is_empty(), "{:?}", exchange.failures());
    exchange.finish();
}

#[tokio::test]
async fn sends_a_body_and_reads_one() {
    let server = Server::start().await;
    let calls = Calls::new();
    let mut config = config(&server, "/count");
    config["body"] = "x".repeat(100_000).into();
    let logged = calls.run(NATIVE_CALL_WASI, config, server.grant()).await;
    assert_eq!(logged, ["200 100000"]);
}

#[tokio::test]
async fn is_under_the_same_grant() {
    let server = Server::start().await;
    let calls = Calls::new();
    let config = config(&server, "/");
    let logged = calls.run(NATIVE_CALL_WASI, config.clone(), wasm_host::Grants::default()).await;
    let denied = "http: denied the host `localhost`: `grants.http.hosts` does not grant it";
    assert_eq!(logged, ["ErrorCode::HttpRequestDenied", denied]);
    let mut grants = server.grant();
    grants.http.addresses.loopback = false;
    let logged = calls.run(NATIVE_CALL_WASI, config, grants).await;
    assert_eq!(logged[0], "ErrorCode::DestinationIpProhibited");
    assert!(logged[1].starts_with("http: denied the address "), "{logged:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn is_under_the_same_limits() {
    let server = Server::start().await;
    assert_eq!(gets(&server, "/", |_| ()).await, ["200 ok"]);
    let large = gets(&server, "/flood", |limits| limits.http.response_bytes = 10_000).await;
    assert!(large[0].starts_with("body: "), "{large:?}");
    assert!(large[0].contains("10000"), "{large:?}");
    let late = |limits: &mut Limits| limits.http.timeout = Duration::from_millis(100);
    assert_eq!(gets(&server, "/never", late).await, ["ErrorCode::HttpResponseTimeout"]);
    let trickled = gets(&server, "/trickle", late).await;
    assert!(trickled[0].starts_with("body: "), "{trickled:?}");
    assert_eq!(gets(&server, "/", |limits| limits.http.calls = 0).await, ["ErrorCode::ConnectionLimitReached"]);
    let redirected = gets(&server, "/to?/", |_| ()).await;
    assert_eq!(redirected, ["302 "], "a redirect is the guest's to follow");
}

#[tokio::test]
async fn a_request_body_over_the_limit_breaks_off() {
    let server = Server::start().await;
    let calls = Calls::new();
    let mut config = config(&server, "/count");
    config["body"] = "x".repeat(100_000).into();
    let mut limits = patient();
    limits.http.request_bytes = 10_000;
    let plugin = reused(&calls, config, &server, limits).await;
    assert_eq!(calls.ask(&plugin).await, ["ErrorCode::HttpRequestBodySize(Some(10000))"]);
}

#[tokio::test]
async fn a_header_that_breaks_out_is_refused() {
    let server = Server::start().await;
    let calls = Calls::new();
    for (name, value, expected) in
        [("x-a", "1\r\nx-evil: 2", "x-a: HeaderError::InvalidSyntax"), ("host", "evil", "host: HeaderError::Forbidden")]
    {
        let mut config = config(&server, "/");
        config["headers"] = json!([[name, value]]);
        assert_eq!(calls.run(NATIVE_CALL_WASI, config, server.grant()).await, [expected]);
    }
}

#[tokio::test]
async fn a_call_may_span_phases() {
    let server = Server::start().await;
    let calls = Calls::new();
    let plugin = reused(&calls, config(&server, "/"), &server, patient()).await;
    exchange(&plugin, "ahead").await;
    assert_eq!(calls.logged("p"), ["200 ok"]);
    assert_eq!(plugin.stats().idle, 1, "it holds nothing any more");
}

#[tokio::test]
async fn nothing_of_a_call_goes_into_the_next_exchange() {
    let server = Server::start().await;
    let calls = Calls::new();
    for what in ["hoard", "hoard-fields"] {
        let plugin = reused(&calls, config(&server, "/never"), &server, patient()).await;
        exchange(&plugin, what).await;
        assert_eq!(plugin.stats().idle, 0, "{what}");
    }
    while server.open() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reused_instance_holds_no_more_after_many_calls() {
    let server = Server::start().await;
    let calls = Calls::new();
    let plugin = reused(&calls, config(&server, "/"), &server, patient()).await;
    // More than the handles that an instance may hold.
    for _ in 0..1500 {
        exchange(&plugin, "").await;
    }
    assert_eq!((plugin.stats().idle, plugin.stats().pool_misses), (1, 0));
    assert_eq!(server.requests(), 1500);
    assert!(server.connections() <= 3, "{}", server.connections());
}
