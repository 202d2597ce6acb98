//! A plugin is called in the phases it exports, and in no other.

use http::StatusCode;
use test_guests as guest;
use wasm_host::{ErrorOutcome, Phase, PluginChain, Summary, UpstreamFailure, UpstreamFailureKind};

use crate::common::{load, load_with, open, passed, request, response};

#[tokio::test]
async fn a_request_only_plugin_costs_nothing_later() {
    let choose = load(guest::NATIVE_CHOOSE).await;
    assert!(choose.phases().request && !choose.phases().response && !choose.phases().error);
    let mut exchange = open([choose]);
    passed(exchange.on_request(request(&[])).await);
    exchange.on_response(response(200)).await;
    let phases: Vec<_> = exchange.decisions().iter().map(|decision| decision.phase).collect();
    assert_eq!(phases, [Phase::Request]);
}

#[tokio::test]
async fn a_plugin_behind_an_answer_sees_neither_request_nor_response() {
    let first = load_with(guest::NATIVE_SHARE, serde_json::json!({ "name": "1" })).await;
    let answers = load(guest::NATIVE_COUNT).await;
    let behind = load_with(guest::NATIVE_SHARE, serde_json::json!({ "name": "3" })).await;
    let mut exchange = open([first, answers, behind]);
    let wasm_host::RequestOutcome::Respond(answer) = exchange.on_request(request(&[])).await else { panic!("passed") };
    let answer = exchange.on_response(answer).await;
    assert_eq!(answer.headers()["x-trail"], "11");
}

#[tokio::test]
async fn nobody_answers_for_a_failed_upstream() {
    let failure = UpstreamFailure {
        service: None,
        kind: UpstreamFailureKind::Connect,
        message: "refused".into(),
        status: StatusCode::BAD_GATEWAY,
    };
    let mut exchange = open([load(guest::NATIVE_CHOOSE).await]);
    passed(exchange.on_request(request(&[])).await);
    assert!(matches!(exchange.on_error(&failure).await, ErrorOutcome::Unanswered));
}

#[tokio::test]
async fn completing_in_the_background_returns_the_instances() {
    let note = load(guest::NATIVE_NOTE_COMPLETION).await;
    let mut exchange = open([note.clone()]);
    passed(exchange.on_request(request(&[])).await);
    exchange.complete_in_background(Summary::default());
    while note.stats().executions == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(note.stats().failures, []);
}

#[tokio::test]
async fn an_empty_chain_passes_everything() {
    let mut exchange = PluginChain::new([]).unwrap().exchange(wasm_host::ExchangeFacts::default());
    passed(exchange.on_request(request(&[])).await);
    assert_eq!(exchange.on_response(response(204)).await.status(), 204);
}

#[tokio::test]
async fn a_plugin_behind_an_answer_does_not_complete() {
    let summary = Summary { finished: true, ..Summary::default() };
    let before = load(guest::NATIVE_NOTE_COMPLETION).await;
    let behind = load(guest::NATIVE_NOTE_COMPLETION).await;
    let mut exchange = open([before.clone(), load(guest::NATIVE_COUNT).await, behind.clone()]);
    drop(exchange.on_request(request(&[])).await);
    exchange.complete(summary).await;
    assert_eq!((before.stats().executions, behind.stats().executions), (1, 0));
}
