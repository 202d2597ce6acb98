//! Who reads a body, and how, is decided by guest, operator and headers.

use std::sync::atomic::Ordering::SeqCst;

use http::{Request, Response, header};
use serde_json::json;
use test_guests as guest;
use wasm_host::{Body, BodyMode, Error, Framing, Limits, Phase};

use super::{bodies, counted, on_request, on_response};
use crate::common::{engine, open, passed, plugin, streamed_request, streamed_response, text};

#[tokio::test]
async fn a_body_nobody_asked_for_is_not_touched() {
    let plugin = bodies(json!({})).load(engine()).await.unwrap();
    let mut exchange = open([plugin.clone()]);
    let (body, taken) = counted(&["a", "b"]);
    let request = passed(exchange.on_request(Request::post("/").body(body).unwrap()).await);
    assert_eq!(taken.load(SeqCst), 0);
    assert_eq!(text(request.into_body()).await, "ab");
    let phases: Vec<_> = exchange.decisions().iter().map(|decision| decision.phase).collect();
    assert_eq!(phases, [Phase::Request]);
}

#[tokio::test]
async fn a_plugin_decides_by_the_headers_how_it_reads() {
    let late = on_request(json!({ "mode": "lines", "act": "upper", "late": true })).await;
    assert_eq!(late.request_body().mode, BodyMode::None);
    let mut exchange = open([late.clone()]);
    let request = passed(exchange.on_request(streamed_request(["a\n"])).await);
    assert_eq!(text(request.into_body()).await, "A\n");
    let mut skipped = streamed_request(["a\n"]);
    skipped.headers_mut().insert("x-skip-body", "1".parse().unwrap());
    let mut exchange = open([late]);
    let request = passed(exchange.on_request(skipped).await);
    assert_eq!(text(request.into_body()).await, "a\n");
}

#[tokio::test]
async fn the_operator_decides_before_the_plugin() {
    let builder = bodies(json!({ "response": { "mode": "lines", "act": "twice" } }));
    let plugin = builder.response_body(BodyMode::Stream(Framing::Chunks)).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["a\nb"])).await;
    assert_eq!(text(response.into_body()).await, "a\nba\nb");
}

#[tokio::test]
async fn more_than_the_limit_cannot_be_asked_for() {
    let limits = Limits { body_bytes: 10, ..Limits::default() };
    let config = json!({ "request": { "mode": "buffer", "bytes": 11 } });
    let error = bodies(config).limits(limits).load(engine()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin `test` reads request bodies by `buffer(11)`, and `limits.body_bytes` is 10 bytes"
    );
    let error = plugin(guest::NATIVE_EDIT).response_body(BodyMode::Trailers).load(engine()).await.unwrap_err();
    assert!(matches!(error, Error::NoBodyPhase { phase: "response", .. }), "{error}");
}

#[tokio::test]
async fn a_response_without_content_has_no_body_phase() {
    let plugin = on_response(json!({ "mode": "buffer", "bytes": 10, "act": "append" })).await;
    for (method, status, bytes) in [("HEAD", 200, ""), ("GET", 204, ""), ("GET", 304, ""), ("GET", 200, "appended")] {
        let mut exchange = open([plugin.clone()]);
        let request = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
        passed(exchange.on_request(request).await);
        let response = Response::builder().status(status).header("content-length", 5).body(Body::empty()).unwrap();
        let response = exchange.on_response(response).await;
        let length = response.headers().get(header::CONTENT_LENGTH).map(|length| length.to_str().unwrap());
        assert_eq!(length, (!bytes.is_empty()).then_some("8"), "{method} {status}");
        assert_eq!(text(response.into_body()).await, bytes);
    }
}
