//! Plugins written for Odin, as their users write them.

mod aggregation;
mod lifecycle;
mod memory;
mod messages;

use std::time::{Duration, SystemTime};

use http::Request;
use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{Body, ExchangeFacts, ManualClock, Plugin, PluginBuilder, PluginChain, PluginEngine};

pub(crate) use self::aggregation::odin_aggregate;
use self::aggregation::{Services, granted};
use crate::common::{Logged, answered, ask, engine, load, open, passed, plugin, response, status, text};

/// A plugin in the text format, which is what `execute` returns for a test to choose.
fn wat(text: &str) -> PluginBuilder {
    Plugin::builder("test").bytes(wat::parse_str(text).unwrap())
}

/// The text of a module with one page of memory, whose output is at 1024.
fn module(output: &str, rest: &str) -> String {
    let output = output.replace('"', "\\\"");
    format!(r#"(module (memory (export "memory") 1) (data (i32.const 1024) "{output}") {rest})"#)
}

/// What `execute` gives back for the output of a [`module`], pointer low.
fn packed(output: &str) -> u64 {
    1024 | (output.len() as u64) << 32
}

const PASSES: &str = r#"{"continue":true}"#;

#[tokio::test]
pub(crate) async fn odin_filter() {
    let filter = plugin(guest::ODIN_FILTER).abi_options(json!({ "type": "auth" })).load(engine()).await.unwrap();
    assert_eq!(filter.abi(), Some("odin"));
    let refused = answered(ask(&filter, &[]).await);
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["content-type"]),
        (401, &"application/json".parse().unwrap())
    );
    let request = passed(ask(&filter, &[("authorization", "Bearer secret")]).await);
    assert_eq!(request.headers()["x-plugin"], "1");
    assert_eq!(text(request.into_body()).await, "request body");
}

/// That a guest does what each scenario says is in the table of scenarios; what it leaves in the log is here.
#[tokio::test]
pub(crate) async fn odin_scenario() {
    let logged = Logged::default();
    let scenario = plugin(guest::ODIN_SCENARIO).load(&logged.engine()).await.unwrap();
    let request = passed(ask(&scenario, &[("x-scenario", "managed-header")]).await);
    assert!(!request.headers().contains_key("connection"));
    assert_eq!(
        logged.lines(),
        ["test exchange-1 Warn host: edits of `connection`, `content-length` are ignored: the host manages them"]
    );
}

#[tokio::test]
pub(crate) async fn odin_observe() {
    let logged = Logged::default();
    let engine = logged.engine();
    let named = |name: &str| Plugin::builder(name).file(guest::ODIN_OBSERVE).config(json!({ "key": "value" }));
    let plugins = [named("first").load(&engine).await.unwrap(), named("second").load(&engine).await.unwrap()];
    let facts = ExchangeFacts {
        id: "abc-123".into(),
        service: Some("users-service".into()),
        received_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200),
        ..ExchangeFacts::default()
    };
    let mut exchange = PluginChain::new(plugins).unwrap().exchange(facts);
    let request = Request::post("/api/users?limit=10").header("host", "example.test").header("x-request-id", "7");
    passed(exchange.on_request(request.body(Body::from("hello")).unwrap()).await);
    exchange.on_response(response(404)).await;

    let told: Vec<Value> =
        logged.lines().iter().map(|line| serde_json::from_str(line.split_once(" : ").unwrap().1).unwrap()).collect();
    let context = |visits: Option<u64>| {
        json!({
            "requestId": "abc-123",
            "serviceId": "users-service",
            "routePath": "/api/users",
            "timestamp": "2024-01-01T00:00:00Z",
            "config": { "key": "value" },
            "metadata": visits.map_or_else(|| json!({}), |visits| json!({ "visits": visits })),
        })
    };
    let sent = json!({
        "method": "POST",
        "url": "/api/users?limit=10",
        "headers": { "Host": ["example.test"], "X-Request-Id": ["7"] },
        "body": "aGVsbG8=",
        "query": { "limit": ["10"] },
        "params": {},
    });
    let came = json!({ "statusCode": 404, "headers": { "Server": ["test"] }, "body": "cmVzcG9uc2UgYm9keQ==" });
    let config = json!({ "key": "value" });
    let expected = [(None, &sent), (Some(1), &sent), (Some(2), &came), (Some(3), &came)];
    assert_eq!(
        told,
        expected.map(|(visits, input)| json!({ "context": context(visits), "input": input, "config": config }))
    );
}

#[tokio::test]
pub(crate) async fn odin_pair() {
    let pair = load(guest::ODIN_PAIR).await;
    let refused = answered(ask_with(&pair, Request::post("/").body(Body::empty()).unwrap()).await);
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["content-type"]),
        (403, &"text/plain; charset=utf-8".parse().unwrap())
    );
    assert_eq!(text(refused.into_body()).await, "blocked");
    assert_eq!(passed(ask(&pair, &[]).await).headers()["x-pair"], "1");
}

#[tokio::test]
pub(crate) async fn odin_assembly() {
    let logged = Logged::default();
    let assembly = plugin(guest::ODIN_ASSEMBLY)
        .abi_options(json!({ "type": "request", "body_encoding": "text" }))
        .load(&logged.engine())
        .await
        .unwrap();
    // Long enough to need more memory than the guest began with, while it reads the input.
    let long = "0123456789".repeat(20_000);
    let request = passed(ask_with(&assembly, Request::put("/").body(Body::from(long.clone())).unwrap()).await);
    assert_eq!(
        (&request.headers()["x-method"], &request.headers()["x-size"]),
        (&"PUT".parse().unwrap(), &"200000".parse().unwrap())
    );
    assert_eq!(request.headers()["content-length"], "200000");
    assert_eq!(text(request.into_body()).await, long);

    let mut exchange = open([assembly]);
    let answer = answered(exchange.on_request(Request::delete("/").body(Body::empty()).unwrap()).await);
    assert_eq!(answer.status(), 500);
    let failure = exchange.failures().remove(0);
    assert_eq!(failure.class, wasm_host::FailureClass::Trap);
    assert!(failure.message.starts_with("aborted: deletes are not for me at odin.ts:"), "{}", failure.message);
    assert_eq!(logged.lines(), ["test exchange-1 Info : saw PUT", "test exchange-1 Info : saw DELETE"]);
}

#[tokio::test]
pub(crate) async fn odin_use_host() {
    let logged = Logged::default();
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200));
    let engine = PluginEngine::builder().clock(clock).log_sink(logged.clone()).http_client(Services).build().unwrap();
    let config = json!({ "text": "plain", "list": [1, "a"], "url": "http://api.test/echo?a=b" });
    let use_host = plugin(guest::ODIN_USE_HOST).config(config.clone()).grants(granted()).load(&engine).await.unwrap();
    let answer = answered(ask(&use_host, &[]).await);
    let header = |name: &str| answer.headers()[name].to_str().unwrap();
    assert_eq!(
        ["x-init", "x-time", "x-text", "x-list", "x-absent"].map(header),
        ["1", "1704067200", "plain", "[1,'a']", "none"]
    );
    assert_eq!(header("x-call-status"), "201");
    assert_eq!(header("x-call-headers"), "{'X-Answered':['1','2']}");
    assert_eq!(header("x-call-body"), "POST /echo?a=b from odin with 1,2: sent");

    // Without a grant the guest is given nothing, and the operator is told.
    let denied = plugin(guest::ODIN_USE_HOST).config(config).load(&engine).await.unwrap();
    assert_eq!(answered(ask(&denied, &[]).await).headers()["x-call-status"], "0");
    let warnings: Vec<_> = logged.lines().into_iter().filter(|line| line.contains(" Warn ")).collect();
    let known = "host: http: denied the host `api.test`: `grants.http.hosts` does not grant it";
    assert!(warnings.iter().any(|line| line.ends_with(known)), "{warnings:?}");
    assert!(warnings.iter().any(|line| line.contains("http_call: ")), "{warnings:?}");
}

async fn ask_with(plugin: &Plugin, request: Request<Body>) -> wasm_host::RequestOutcome {
    let mut exchange = open([plugin.clone()]);
    let outcome = exchange.on_request(request).await;
    exchange.finish();
    outcome
}

#[tokio::test]
async fn an_input_is_tried_without_an_exchange() {
    let filter = load(guest::ODIN_FILTER).await;
    let input = json!({ "input": { "method": "GET", "headers": { "Authorization": ["Bearer secret"] } } });
    let output = filter.test_input(input.to_string().as_bytes()).await.unwrap();
    let expected = json!({ "modified": true, "continue": true, "response": { "headers": { "X-Plugin": ["1"] } } });
    assert_eq!(serde_json::from_slice::<Value>(&output).unwrap(), expected);
    let failure = filter.test_input(b"no JSON").await.unwrap_err();
    assert_eq!(failure.class, wasm_host::FailureClass::Trap);
    let native = load(guest::NATIVE_FILTER).await;
    assert_eq!(native.test_input(b"{}").await.unwrap_err().class, wasm_host::FailureClass::GuestError);
    assert_eq!(status(&filter, &[]).await, 401);
}
