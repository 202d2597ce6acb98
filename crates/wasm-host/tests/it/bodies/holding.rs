//! Bodies that plugins read ahead, decoded ones too.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, channel::Channel};
use serde_json::json;
use wasm_host::{Body, BodyLate, FailureClass, Limits, RequestOutcome};

use super::{bodies, counted, on_request, on_response};
use crate::common::{Logged, answered, engine, open, passed, streamed, streamed_request, text};

#[tokio::test]
async fn peek_holds_the_request_for_its_first_bytes_and_no_more() {
    let logged = Logged::default();
    let config = json!({ "request": { "mode": "peek", "bytes": 3, "act": "edit", "log": true } });
    let peeks = bodies(config).load(&logged.engine()).await.unwrap();
    let (body, taken) = counted(&["ab", "cd", "ef", "gh"]);
    let mut exchange = open([peeks]);
    let request = passed(exchange.on_request(Request::post("/").body(body).unwrap()).await);
    assert_eq!((request.headers()["x-peeked"].as_bytes(), taken.load(SeqCst)), (&b"abc"[..], 2));
    assert_eq!(logged.lines().last().unwrap(), r#"test exchange-1 Info : start "abc" false"#);
    assert_eq!(text(request.into_body()).await, "abcdefgh");
}

#[tokio::test]
async fn peek_tells_a_body_that_is_shorter() {
    let logged = Logged::default();
    let config = json!({ "request": { "mode": "peek", "bytes": 30, "log": true } });
    let peeks = bodies(config).load(&logged.engine()).await.unwrap();
    for body in [streamed(["ab", "cd"]), Body::from("abcd"), Body::empty()] {
        let mut exchange = open([peeks.clone()]);
        passed(exchange.on_request(Request::post("/").body(body).unwrap()).await);
    }
    let whole = r#"test exchange-1 Info : start "abcd" true"#;
    assert_eq!(logged.lines(), [whole, whole, r#"test exchange-1 Info : start "" true"#]);
}

#[tokio::test]
async fn a_refusal_by_the_first_bytes_reads_no_more() {
    let refuses = on_request(json!({ "mode": "peek", "bytes": 1, "act": "respond" })).await;
    let (body, taken) = counted(&["ab", "cd", "ef"]);
    let mut exchange = open([refuses]);
    let answer = answered(exchange.on_request(Request::post("/").body(body).unwrap()).await);
    assert_eq!((answer.status().as_u16(), taken.load(SeqCst)), (403, 1));
    assert_eq!(text(answer.into_body()).await, "refused by its body");
}

#[tokio::test]
async fn a_start_can_only_be_passed_or_answered() {
    let wrong = on_request(json!({ "mode": "peek", "bytes": 1, "act": "upper" })).await;
    let mut exchange = open([wrong]);
    assert_eq!(answered(exchange.on_request(streamed_request(["ab"])).await).status(), 500);
    assert_eq!(exchange.failures()[0].class, FailureClass::InvalidOutput);
}

#[tokio::test]
async fn a_replaced_whole_body_has_its_length() {
    let twice = on_request(json!({ "mode": "buffer", "bytes": 100, "act": "twice" })).await;
    let mut exchange = open([twice]);
    let mut request = streamed_request(["ab", "cd"]);
    request.headers_mut().insert(header::CONTENT_LENGTH, 4.into());
    let request = passed(exchange.on_request(request).await);
    assert_eq!(request.headers()[header::CONTENT_LENGTH], "8");
    assert_eq!(text(request.into_body()).await, "abcdabcd");
}

#[tokio::test]
async fn a_small_body_in_a_long_encoding_fits() {
    let packed = zstd::encode_all(&b"ab"[..], 3).unwrap();
    assert!(packed.len() > 10);
    let plugin = on_request(json!({ "mode": "buffer", "bytes": 10, "act": "upper", "decode": true })).await;
    let mut exchange = open([plugin]);
    let mut request = Request::post("/").body(Body::from(packed)).unwrap();
    request.headers_mut().insert(header::CONTENT_ENCODING, "zstd".parse().unwrap());
    assert_eq!(text(passed(exchange.on_request(request).await).into_body()).await, "AB");
}

#[tokio::test]
async fn single_bytes_are_held_as_a_whole() {
    let plugin = on_request(json!({ "mode": "buffer", "bytes": 100, "act": "upper" })).await;
    let (body, _) = counted(&["a", "", "b", "c", "d", "e"]);
    let mut exchange = open([plugin]);
    let request = passed(exchange.on_request(Request::post("/").body(body).unwrap()).await);
    assert_eq!(text(request.into_body()).await, "ABCDE");
}

#[tokio::test]
async fn a_body_that_trickles_does_not_hold_an_instance_for_ever() {
    let limits = Limits { body_wait: Duration::from_millis(50), ..Limits::default() };
    let config = json!({ "mode": "buffer", "bytes": 100 });
    let waits = bodies(json!({ "request": config, "response": config })).limits(limits).load(engine()).await.unwrap();
    let (mut sender, body) = Channel::<Bytes>::new(1);
    sender.send_data("begins".into()).await.unwrap();
    let mut exchange = open([waits.clone()]);
    let outcome = exchange.on_request(Request::post("/").body(Body::new(body)).unwrap()).await;
    let RequestOutcome::BodyFailed(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.is::<BodyLate>(), "{error}");
    drop(exchange);
    assert_eq!(waits.stats().active, 0);

    let (_sender, body) = Channel::<Bytes>::new(1);
    let mut exchange = open([waits]);
    passed(exchange.on_request(streamed_request([])).await);
    assert_eq!(exchange.on_response(Response::new(Body::new(body))).await.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn decoded_bodies_go_on_plain_or_as_they_came() {
    let packed = zstd::encode_all(&b"line one\nline two\n"[..], 3).unwrap();
    for (mode, act, coding, expected) in [
        ("lines", "upper", None, &b"LINE ONE\nLINE TWO\n"[..]),
        ("buffer", "upper", None, b"LINE ONE\nLINE TWO\n"),
        ("buffer", "pass", Some("zstd"), &packed),
        ("peek", "pass", Some("zstd"), &packed),
    ] {
        let plugin = on_response(json!({ "mode": mode, "bytes": 100, "act": act, "decode": true })).await;
        let mut exchange = open([plugin]);
        passed(exchange.on_request(streamed_request([])).await);
        let mut response = Response::new(Body::from(packed.clone()));
        response.headers_mut().insert(header::CONTENT_ENCODING, "zstd".parse().unwrap());
        let response = exchange.on_response(response).await;
        let sent = response.headers().get(header::CONTENT_ENCODING).map(|coding| coding.to_str().unwrap().to_owned());
        assert_eq!(sent.as_deref(), coding, "{mode} {act}");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), expected, "{mode} {act}");
    }
}

#[tokio::test]
async fn a_bomb_is_bounded_by_what_was_declared() {
    let bomb = zstd::encode_all(&vec![0; 64 << 20][..], 3).unwrap();
    assert!(bomb.len() < 10_000);
    let plugin = on_request(json!({ "mode": "buffer", "bytes": 1 << 20, "decode": true })).await;
    let mut exchange = open([plugin]);
    let mut request = Request::post("/").body(Body::from(bomb)).unwrap();
    request.headers_mut().insert(header::CONTENT_ENCODING, "zstd".parse().unwrap());
    assert_eq!(answered(exchange.on_request(request).await).status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_encoding_that_cannot_be_undone_has_a_class() {
    let plugin = on_request(json!({ "mode": "buffer", "bytes": 100, "decode": true })).await;
    for (coding, body) in [("lzma", "x"), ("gzip", "this is not gzip")] {
        let mut exchange = open([plugin.clone()]);
        let mut request = Request::post("/").body(Body::from(body)).unwrap();
        request.headers_mut().insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        assert_eq!(answered(exchange.on_request(request).await).status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(exchange.failures()[0].class, FailureClass::BodyEncoding);
    }
}
