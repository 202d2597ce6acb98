//! Failures that a guest is shown, and failures of a guest.

use http::StatusCode;
use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{ErrorOutcome, FailureClass, Plugin, PluginEngine, UpstreamFailure, UpstreamFailureKind};

use crate::common::{answered, ask, engine, load, open, passed, plugin, request, response, text};

#[tokio::test]
pub(crate) async fn sgl_brand_errors() {
    let brand = brand_errors(json!({ "attach_points": ["OnError"] })).await;
    let mut exchange = open([brand.clone()]);
    passed(exchange.on_request(request(&[])).await);
    let ErrorOutcome::Respond(answer) = exchange.on_error(&unreachable(502)).await else { panic!("unanswered") };
    let answer = exchange.on_response(answer).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (503, &"text/plain".parse().unwrap()));
    assert_eq!(text(answer.into_body()).await, "0 headers, 0 bytes");

    let mut exchange = open([brand.clone()]);
    passed(exchange.on_request(request(&[])).await);
    let ErrorOutcome::Respond(answer) = exchange.on_error(&unreachable(504)).await else { panic!("unanswered") };
    assert_eq!((answer.status().as_u16(), text(answer.into_body()).await.as_str()), (418, ""));

    let mut exchange = open([brand.clone()]);
    passed(exchange.on_request(request(&[])).await);
    assert!(matches!(exchange.on_error(&unreachable(500)).await, ErrorOutcome::Unanswered));
    // What the upstream answers is a response, and this guest is attached to failures only.
    assert_eq!(exchange.on_response(response(502)).await.status(), 502);
    assert_eq!(brand.stats().executions, 3);
}

#[tokio::test]
async fn without_the_attach_point_failures_are_not_shown() {
    let brand = brand_errors(Value::Null).await;
    let mut exchange = open([brand]);
    passed(exchange.on_request(request(&[])).await);
    assert!(matches!(exchange.on_error(&unreachable(502)).await, ErrorOutcome::Unanswered));
    assert_eq!(exchange.on_response(response(502)).await.status(), 503);
}

#[tokio::test]
async fn an_answer_to_a_failure_is_a_response_to_the_same_guest() {
    let brand = brand_errors(json!({ "attach_points": ["OnResponse", "OnError"] })).await;
    let mut exchange = open([brand.clone()]);
    passed(exchange.on_request(request(&[])).await);
    let ErrorOutcome::Respond(answer) = exchange.on_error(&unreachable(502)).await else { panic!("unanswered") };
    assert_eq!(exchange.on_response(answer).await.status(), 503);
    assert_eq!(brand.stats().executions, 2);
}

#[tokio::test]
async fn a_failure_of_another_plugin_is_shown() {
    let brand = brand_errors(json!({ "attach_points": ["OnError"] })).await;
    let mut exchange = open([brand, load(guest::SGL_SCENARIO).await]);
    let answer = answered(exchange.on_request(request(&[("x-scenario", "loop")])).await);
    assert_eq!((answer.status().as_u16(), exchange.failures()[0].class), (418, FailureClass::CpuDeadline));
}

async fn brand_errors(options: Value) -> Plugin {
    plugin(guest::SGL_BRAND_ERRORS).abi_options(options).load(engine()).await.unwrap()
}

fn unreachable(status: u16) -> UpstreamFailure {
    UpstreamFailure {
        service: None,
        kind: UpstreamFailureKind::Connect,
        message: "no route".into(),
        status: StatusCode::from_u16(status).unwrap(),
    }
}

#[tokio::test]
pub(crate) async fn sgl_scenario() {
    // Told nothing, it does nothing; what it does has its own tests.
    let sent = passed(ask(&load(guest::SGL_SCENARIO).await, &[]).await);
    assert_eq!(text(sent.into_body()).await, "request body");
}

#[tokio::test]
async fn the_stack_is_as_deep_as_the_engine_makes_it() {
    // A level takes 16 bytes or more.
    let descends = async |stack: Option<usize>, levels: &str| {
        let builder = PluginEngine::builder().max_instances(4);
        let builder = if let Some(bytes) = stack { builder.stack_size(bytes) } else { builder };
        let deep = plugin(guest::SGL_SCENARIO).load(&builder.build().unwrap()).await.unwrap();
        let mut exchange = open([deep]);
        let outcome = exchange.on_request(request(&[("x-scenario", "stack"), ("x-levels", levels)])).await;
        match exchange.failures().pop() {
            None => passed(outcome).headers().contains_key("x-sum"),
            Some(failure) => {
                assert_eq!(failure.class, FailureClass::Trap);
                assert!(failure.message.contains("call stack exhausted"), "{failure}");
                false
            }
        }
    };
    let (default, small, large) = (None, Some(64 << 10), Some(16 << 20));
    assert!(descends(default, "1000").await);
    assert!(!descends(default, "40000").await);
    assert!(!descends(small, "5000").await);
    assert!(descends(large, "40000").await);
    assert!(!descends(large, "2000000").await);
}

#[test]
fn an_engine_without_a_stack_is_refused() {
    let error = PluginEngine::builder().max_instances(1).stack_size(0).build().unwrap_err();
    assert!(error.to_string().contains("stack"), "{error}");
}
