//! The failure policy decides what a failure means.

use std::{num::NonZeroU32, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};
use test_guests::{NATIVE_MISBEHAVE, NATIVE_SHARE};
use wasm_host::{
    CircuitBreaker, CircuitState, ClosedAnswer, FailureAction, FailureClass, FailurePolicy, Outcome, Phase,
    PhasePolicy, Plugin, RequestOutcome,
};

use crate::common::{answered, ask, engine, load_with, open, passed, plugin, request, response, status, text};

const HEADER: HeaderName = HeaderName::from_static("x-plugin-failure");

async fn misbehaving(policy: FailurePolicy) -> Plugin {
    plugin(NATIVE_MISBEHAVE).on_failure(policy).load(engine()).await.unwrap()
}

#[tokio::test]
async fn closes_by_default_and_says_nothing() {
    let RequestOutcome::Respond(answer) = ask(&misbehaving(FailurePolicy::default()).await, &[("x-do", "trap")]).await
    else {
        panic!("it passed")
    };
    assert_eq!(answer.status(), 500);
    assert!(answer.headers().is_empty());
}

#[tokio::test]
async fn closes_with_the_status_of_the_class() {
    let status_418 = FailureAction::closed_with(StatusCode::IM_A_TEAPOT);
    let plugin = misbehaving(FailurePolicy::default().on(FailureClass::Trap, status_418)).await;
    assert_eq!(status(&plugin, &[("x-do", "trap")]).await, 418);
    assert_eq!(status(&plugin, &[("x-do", "error")]).await, 500);
}

#[tokio::test]
async fn closes_with_the_body_of_the_policy() {
    let answer =
        ClosedAnswer { status: None, body: "later".into(), content_type: Some(HeaderValue::from_static("text/plain")) };
    let plugin = misbehaving(FailurePolicy::always(FailureAction::Closed(answer))).await;
    let answer = answered(ask(&plugin, &[("x-do", "trap")]).await);
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["content-type"], "text/plain");
    assert_eq!(text(answer.into_body()).await, "later");
}

#[tokio::test]
async fn a_phase_has_actions_of_its_own() {
    let teapot = FailureAction::closed_with(StatusCode::IM_A_TEAPOT);
    let policy = FailurePolicy::always(FailureAction::Open).in_phase(Phase::Response, PhasePolicy::always(teapot));
    let plugin = misbehaving(policy).await;
    assert_eq!(status(&plugin, &[("x-do", "trap")]).await, 0, "the request goes on");
    let mut exchange = open([plugin]);
    passed(exchange.on_request(request(&[])).await);
    let mut upstream = response(200);
    upstream.headers_mut().insert("x-do", "panic".parse().unwrap());
    assert_eq!(exchange.on_response(upstream).await.status(), 418);
}

#[tokio::test]
async fn names_plugin_and_class_when_asked_to() {
    let policy = FailurePolicy { expose_header: Some(HEADER), ..FailurePolicy::default() };
    let answer = answered(ask(&misbehaving(policy).await, &[("x-do", "error")]).await);
    assert_eq!(answer.headers()[HEADER], "test;guest-error");
}

#[tokio::test]
async fn open_passes_the_message_as_it_was() {
    for action in [FailureAction::Open, FailureAction::OpenTag(HEADER)] {
        let tagged = action != FailureAction::Open;
        let mut exchange = open([misbehaving(FailurePolicy::always(action)).await]);
        let request = passed(exchange.on_request(request(&[("x-do", "panic")])).await);
        assert!(!request.headers().contains_key("x-half-done"), "the failed call's edit is undone");
        assert_eq!(request.headers().get(HEADER).map(|tag| tag.as_bytes()), tagged.then_some(&b"test;trap"[..]));
        let mut upstream = response(200);
        upstream.headers_mut().insert("x-do", "panic".parse().unwrap());
        let response = exchange.on_response(upstream).await;
        assert_eq!(response.status(), 200, "a plugin that is bypassed is not asked again");
    }
}

#[tokio::test]
async fn open_passes_a_response_as_it_was() {
    let mut exchange = open([misbehaving(FailurePolicy::always(FailureAction::OpenTag(HEADER))).await]);
    passed(exchange.on_request(request(&[])).await);
    let mut upstream = response(200);
    upstream.headers_mut().insert("x-do", "panic".parse().unwrap());
    let response = exchange.on_response(upstream).await;
    assert!(!response.headers().contains_key("x-half-done"));
    assert_eq!(response.headers()[HEADER], "test;trap");
}

#[tokio::test]
async fn a_closed_response_phase_replaces_the_response() {
    let mut exchange = open([misbehaving(FailurePolicy::default()).await]);
    passed(exchange.on_request(request(&[])).await);
    let mut upstream = response(200);
    upstream.headers_mut().insert("x-do", "panic".parse().unwrap());
    let response = exchange.on_response(upstream).await;
    assert_eq!(response.status(), 500);
    assert!(!response.headers().contains_key("server"));
}

#[tokio::test]
async fn retries_once_on_a_fresh_instance() {
    let mut exchange = open([misbehaving(FailurePolicy::always(FailureAction::RetryFresh)).await]);
    assert_eq!(answered(exchange.on_request(request(&[("x-do", "trap")])).await).status(), 500);
    assert_eq!(exchange.failures().len(), 2);
}

/// A circuit that two failures open.
fn circuit(cooldown: Duration) -> CircuitBreaker {
    let failures = NonZeroU32::new(2).unwrap();
    CircuitBreaker { failures, window: Duration::from_secs(3600), cooldown }
}

#[tokio::test]
async fn an_open_circuit_meets_the_policy_and_not_the_plugin() {
    let policy = FailurePolicy::default().on(FailureClass::Trap, FailureAction::OpenTag(HEADER));
    let plugin = plugin(NATIVE_MISBEHAVE).on_failure(policy).circuit_breaker(circuit(Duration::from_secs(3600)));
    let plugin = plugin.load(engine()).await.unwrap();
    assert_eq!(status(&plugin, &[("x-do", "error")]).await, 500);
    assert_eq!(plugin.circuit(), Some(CircuitState::Closed));
    assert_eq!(status(&plugin, &[("x-do", "trap")]).await, 0);
    assert_eq!(plugin.circuit(), Some(CircuitState::Open));
    let before = plugin.stats();
    let mut exchange = open([plugin.clone()]);
    let request = passed(exchange.on_request(request(&[])).await);
    assert_eq!(request.headers()[HEADER], "test;trap", "the class that opened it decides");
    assert_eq!(exchange.decisions()[0].outcome, Outcome::CircuitOpen);
    assert_eq!(exchange.on_response(response(200)).await.status(), 200);
    assert_eq!(plugin.stats(), before, "it was not called");
}

#[tokio::test]
async fn a_refused_call_is_not_retried() {
    let plugin = plugin(NATIVE_MISBEHAVE)
        .on_failure(FailurePolicy::always(FailureAction::RetryFresh))
        .circuit_breaker(circuit(Duration::from_secs(3600)));
    let plugin = plugin.load(engine()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(status(&plugin, &[("x-do", "trap")]).await, 500);
    }
    let mut exchange = open([plugin]);
    assert_eq!(answered(exchange.on_request(request(&[])).await).status(), 500);
    assert_eq!(exchange.failures().len(), 1);
}

#[tokio::test]
async fn a_probe_closes_the_circuit_when_the_plugin_has_recovered() {
    let plugin = plugin(NATIVE_MISBEHAVE).circuit_breaker(circuit(Duration::ZERO));
    let plugin = plugin.load(engine()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(status(&plugin, &[("x-do", "trap")]).await, 500);
    }
    assert_eq!(plugin.circuit(), Some(CircuitState::HalfOpen));
    assert_eq!(status(&plugin, &[]).await, 0);
    assert_eq!(plugin.circuit(), Some(CircuitState::Closed));
}

#[tokio::test]
async fn earlier_plugins_see_the_answer_to_a_failure() {
    let outer = load_with(NATIVE_SHARE, serde_json::json!({ "name": "o" })).await;
    let mut exchange = open([outer, misbehaving(FailurePolicy::default()).await]);
    let answer = answered(exchange.on_request(request(&[("x-do", "trap")])).await);
    let answer = exchange.on_response(answer).await;
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["x-trail"], "oo");
}
