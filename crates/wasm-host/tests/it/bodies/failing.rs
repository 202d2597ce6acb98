//! What happens to a body when its plugin, or its sender, fails.

use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use wasm_host::{Body, FailureAction, FailureClass, FailurePolicy, Limits, RequestOutcome};

use super::{bodies, broken, on_request, on_response};
use crate::common::{answered, engine, load_with, open, passed, streamed, streamed_request, streamed_response, text};

#[tokio::test]
async fn over_the_bound_the_policy_decides_and_nothing_is_lost() {
    let config = json!({ "request": { "mode": "buffer", "bytes": 3, "act": "upper" } });
    let closed = bodies(config.clone()).load(engine()).await.unwrap();
    let open_policy = FailurePolicy::always(FailureAction::Open);
    let passes = bodies(config).on_failure(open_policy).load(engine()).await.unwrap();
    for frames in [streamed(["ab", "cd", "ef"]), Body::from("abcdef")] {
        let mut exchange = open([passes.clone()]);
        let request = passed(exchange.on_request(Request::post("/").body(frames).unwrap()).await);
        assert_eq!(text(request.into_body()).await, "abcdef");
    }
    let mut exchange = open([closed]);
    let refused = answered(exchange.on_request(streamed_request(["ab", "cd"])).await);
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(exchange.failures()[0].class, FailureClass::BodyTooLarge);
}

#[tokio::test]
async fn a_line_over_the_bound_passes_whole_or_cuts() {
    let limits = Limits { body_bytes: 4, ..Limits::default() };
    let config = json!({ "response": { "mode": "lines", "act": "upper" } });
    let load = |policy| bodies(config.clone()).limits(limits.clone()).on_failure(policy).load(engine());
    let passes = load(FailurePolicy::always(FailureAction::Open)).await.unwrap();
    let mut exchange = open([passes]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["ok\nto", "o long\nok\n"])).await;
    assert_eq!(text(response.into_body()).await, "OK\ntoo long\nok\n");

    let cuts = load(FailurePolicy::default()).await.unwrap();
    let mut exchange = open([cuts]);
    passed(exchange.on_request(streamed_request([])).await);
    let mut body = exchange.on_response(streamed_response(["ok\nto", "o long\nok\n"])).await.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "OK\n");
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
    assert_eq!(exchange.failures()[0].class, FailureClass::BodyTooLarge);
}

#[tokio::test]
async fn a_trap_in_the_middle_passes_the_rest_or_cuts() {
    for (policy, expected) in [(FailureAction::Open, Some("good\nbad\ngood\n")), (FailureAction::closed(), None)] {
        let config = json!({ "response": { "mode": "lines", "act": "trap-on-bad" } });
        let policy = FailurePolicy::always(policy);
        let plugin = bodies(config).on_failure(policy).load(engine()).await.unwrap();
        let mut exchange = open([plugin]);
        passed(exchange.on_request(streamed_request([])).await);
        let response = exchange.on_response(streamed_response(["good\nbad\ngood\n"])).await;
        let body = response.into_body().collect().await.map(|body| body.to_bytes());
        assert_eq!(body.ok().as_deref(), expected.map(str::as_bytes));
        assert_eq!(exchange.failures()[0].class, FailureClass::Trap);
    }
}

#[tokio::test]
async fn a_request_cut_on_its_way_is_answered_by_the_policy() {
    let policy = FailurePolicy::always(FailureAction::closed_with(StatusCode::IM_A_TEAPOT));
    let config = json!({ "request": { "mode": "lines", "act": "trap-on-bad" } });
    let plugin = bodies(config).on_failure(policy).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    let request = passed(exchange.on_request(streamed_request(["good\nbad\n"])).await);
    assert!(exchange.cut_request().await.is_none());
    assert!(request.into_body().collect().await.is_err());
    assert_eq!(exchange.cut_request().await.unwrap().status(), StatusCode::IM_A_TEAPOT);
}

#[tokio::test]
async fn a_guest_that_spins_on_a_piece_is_stopped() {
    let limits = Limits { cpu: Duration::from_millis(20), ..Limits::default() };
    let config = json!({ "response": { "mode": "chunks", "act": "spin" } });
    let plugin = bodies(config).limits(limits).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["a"])).await;
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(exchange.failures()[0].class, FailureClass::CpuDeadline);
}

#[tokio::test]
async fn a_guest_cannot_inflate_a_piece_without_bound() {
    let plugin = on_response(json!({ "mode": "chunks", "act": "inflate" })).await;
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["a"])).await;
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(exchange.failures()[0].class, FailureClass::Hostcall);
}

#[tokio::test]
async fn a_broken_body_is_the_senders_fault() {
    let waits = on_request(json!({ "mode": "buffer", "bytes": 100 })).await;
    let mut exchange = open([waits]);
    let outcome = exchange.on_request(Request::post("/").body(broken()).unwrap()).await;
    let RequestOutcome::BodyFailed(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.to_string(), "cable cut");
    assert_eq!(exchange.failures().len(), 0);

    let waits = on_response(json!({ "mode": "buffer", "bytes": 100 })).await;
    let mut exchange = open([waits]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(Response::new(broken())).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_body_dropped_in_the_middle_of_a_call_takes_nothing_along() {
    let config =
        json!({ "request": { "mode": "chunks", "act": "sleep" }, "response": { "mode": "lines", "act": "upper" } });
    let plugin = bodies(config).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    let mut request = passed(exchange.on_request(streamed_request(["a"])).await).into_body();
    assert!(tokio::time::timeout(Duration::from_millis(5), request.frame()).await.is_err());
    drop(request);
    let mut answer = streamed_response(["abc"]);
    *answer.status_mut() = StatusCode::FORBIDDEN;
    answer.headers_mut().insert("x-from", "upstream".parse().unwrap());
    let response = exchange.on_response(answer).await;
    assert_eq!(
        (response.status(), &response.headers()["x-from"]),
        (StatusCode::FORBIDDEN, &"upstream".parse().unwrap())
    );
    assert_eq!(text(response.into_body()).await, "ABC");
}

/// Wherever the guest was computing: what plugins have shared is there for the response.
#[tokio::test]
async fn a_body_dropped_while_its_plugin_computes_takes_nothing_along() {
    let hour = Duration::from_secs(3600);
    let limits = Limits { cpu: hour, wall: hour, ..Limits::default() };
    let config = json!({ "request": { "mode": "chunks", "act": "spin" } });
    let spins = bodies(config).limits(limits).load(engine()).await.unwrap();
    let shares = load_with(test_guests::NATIVE_SHARE, json!({ "name": "s" })).await;
    let mut exchange = open([shares, spins]);
    let mut request = passed(exchange.on_request(streamed_request(["a"])).await).into_body();
    assert!(tokio::time::timeout(Duration::from_millis(50), request.frame()).await.is_err());
    drop(request);
    let response = exchange.on_response(streamed_response(["abc"])).await;
    assert_eq!(response.headers()["x-trail"], "ss");
    assert_eq!(text(response.into_body()).await, "abc");
}

/// A plugin that failed closed on one body must not let the other one pass unread.
#[tokio::test]
async fn a_plugin_that_closed_on_the_request_does_not_open_for_the_response() {
    let config = json!({ "request": { "mode": "lines", "act": "trap-on-bad" }, "response": { "mode": "lines", "act": "upper" } });
    let plugin = bodies(config).load(engine()).await.unwrap();
    for answers_early in [false, true] {
        let mut exchange = open([plugin.clone()]);
        let request = passed(exchange.on_request(streamed_request(["bad\n"])).await).into_body();
        let early = if answers_early { Some(exchange.on_response(streamed_response(["abc\n"])).await) } else { None };
        assert!(request.collect().await.is_err());
        match early {
            Some(response) => assert!(response.into_body().collect().await.is_err()),
            None => assert_eq!(exchange.on_response(streamed_response(["abc\n"])).await.status(), 500),
        }
    }
}

#[tokio::test]
async fn a_failed_call_leaves_no_trailers() {
    let config = json!({ "response": { "mode": "buffer", "bytes": 100, "end": "trailer", "act": "trap" } });
    let plugin = bodies(config).on_failure(FailurePolicy::always(FailureAction::Open)).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["abc"])).await;
    let body = response.into_body().collect().await.unwrap();
    assert!(body.trailers().is_none_or(HeaderMap::is_empty), "{:?}", body.trailers());
}

#[tokio::test]
async fn a_plugin_that_cuts_what_another_holds_is_answered_by_its_policy() {
    let holds = on_response(json!({ "mode": "buffer", "bytes": 100 })).await;
    let policy = FailurePolicy::always(FailureAction::closed_with(StatusCode::IM_A_TEAPOT));
    let config = json!({ "response": { "mode": "lines", "act": "trap-on-bad" } });
    let cuts = bodies(config).on_failure(policy).load(engine()).await.unwrap();
    let mut exchange = open([holds, cuts]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["good\nbad\n"])).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
}

#[tokio::test]
async fn who_cannot_be_called_fails_before_the_headers_are_sent() {
    let limits = Limits { concurrency: 1, queue: 0, ..Limits::default() };
    let config = json!({ "response": { "mode": "lines" } });
    let plugin = bodies(config).limits(limits).load(engine()).await.unwrap();
    let mut first = open([plugin.clone()]);
    passed(first.on_request(streamed_request([])).await);
    let flows = first.on_response(streamed_response(["a\n", "b\n"])).await;
    let mut second = open([plugin]);
    let answer = answered(second.on_request(streamed_request([])).await);
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(flows.into_body()).await, "a\nb\n");
}
