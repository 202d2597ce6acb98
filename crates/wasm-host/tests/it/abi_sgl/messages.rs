//! What a guest is given of a message, and what becomes of its edits.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, Method, Request, Response};
use serde_json::json;
use test_guests as guest;
use wasm_host::{Body, FailureClass, Limits, ManualClock, Outcome, Phase, PluginEngine};

use super::values;
use crate::common::{
    Logged, answered, ask, load, open, passed, plugin, request, response, streamed, streamed_response, text,
};

#[tokio::test]
pub(crate) async fn sgl_observe() {
    is_given_all(guest::SGL_OBSERVE).await;
}

#[tokio::test]
pub(crate) async fn sgl_observe_on_router() {
    is_given_all(guest::SGL_OBSERVE_ON_ROUTER).await;
}

#[tokio::test]
pub(crate) async fn sgl_observe_on_smg() {
    is_given_all(guest::SGL_OBSERVE_ON_SMG).await;
}

async fn is_given_all(file: &str) {
    static ENGINE: LazyLock<PluginEngine> = LazyLock::new(|| {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_millis(1_764_000_000_123));
        PluginEngine::builder().max_instances(8).clock(clock).build().unwrap()
    });
    let observe = plugin(file).load(&ENGINE).await.unwrap();
    assert_eq!(observe.abi(), Some("sgl"));
    let bytes = HeaderValue::from_bytes(b"caf\xe9").unwrap();
    let asked = Request::post("/a%20b/c?q=1&q=%32").header("X-Many", "1").header("x-bytes", bytes.clone());
    let asked = asked.header("x-many", "2").body(streamed(["some ", "bytes"])).unwrap();
    let mut exchange = open([observe.clone()]);
    let sent = passed(exchange.on_request(asked).await);
    assert_eq!(sent.headers()["x-line"], "POST /a%20b/c [q=1&q=%32] exchange-1 1764000000123");
    assert_eq!(sent.headers()["x-headers"], "x-many=1; x-many=2");
    assert_eq!(sent.headers()["x-body"], "some bytes");
    assert_eq!(sent.headers()["x-bytes"], bytes);
    assert_eq!(text(sent.into_body()).await, "some bytes");

    let answer = exchange.on_response(response(404)).await;
    assert_eq!(answer.headers()["x-line"], "404");
    assert_eq!(answer.headers()["x-headers"], "server=test");
    assert_eq!(answer.headers()["x-body"], "response body");

    let mut exchange = open([observe]);
    let sent = passed(exchange.on_request(Request::get("/").body(Body::empty()).unwrap()).await);
    assert_eq!(sent.headers()["x-line"], "GET / [] exchange-1 1764000000123");
    assert_eq!((&sent.headers()["x-headers"], &sent.headers()["x-body"]), (&"".parse().unwrap(), &"".parse().unwrap()));
}

#[tokio::test]
pub(crate) async fn sgl_edit() {
    let edit = load(guest::SGL_EDIT).await;
    let edits = "set x-a=1, set x-a=2, add x-a=3, add x-b=4, remove x-b, remove x-old, status=503, body=new";
    let mut exchange = open([edit.clone(), load(guest::SGL_OBSERVE).await]);
    let sent = passed(exchange.on_request(request(&[("x-edit", edits), ("x-a", "0"), ("x-old", "1")])).await);
    assert_eq!(values(sent.headers(), "x-a"), ["2", "3"]);
    assert!(values(sent.headers(), "x-b").is_empty() && values(sent.headers(), "x-old").is_empty());
    // The next plugin sees what this one left.
    assert_eq!(sent.headers()["x-body"], "new");
    assert!(sent.headers()["x-headers"].to_str().unwrap().contains("x-a=2; x-a=3"), "{:?}", sent.headers());
    assert_eq!(sent.headers()["content-length"], "3");
    assert_eq!(text(sent.into_body()).await, "new");

    for (said, becomes) in [("503", 503), ("99", 200), ("600", 200), ("65535", 200), ("204", 204)] {
        let mut exchange = open([edit.clone()]);
        passed(exchange.on_request(request(&[])).await);
        let mut upstream = response(200);
        let edits = format!("status={said}, body=shorter, add x-a=1");
        upstream.headers_mut().insert("x-edit", edits.parse().unwrap());
        upstream.headers_mut().insert("content-length", HeaderValue::from_static("13"));
        let answer = exchange.on_response(upstream).await;
        assert_eq!((answer.status().as_u16(), values(answer.headers(), "x-a")), (becomes, vec!["1".to_owned()]));
        let (length, body) = if becomes == 204 { (vec![], "") } else { (vec!["7".to_owned()], "shorter") };
        assert_eq!(values(answer.headers(), "content-length"), length);
        assert_eq!(text(answer.into_body()).await, body);
    }
}

#[tokio::test]
async fn a_rejected_request_is_answered_at_once() {
    for (said, becomes) in [("403", 403), ("99", 400), ("100", 400), ("600", 400), ("65535", 400)] {
        let observe = load(guest::SGL_OBSERVE).await;
        let mut exchange = open([load(guest::SGL_EDIT).await, observe.clone()]);
        let edits = format!("reject={said}");
        let answer = answered(exchange.on_request(request(&[("x-edit", &edits)])).await);
        assert_eq!((answer.status().as_u16(), answer.headers().len()), (becomes, 0));
        let answer = exchange.on_response(answer).await;
        assert_eq!((answer.status().as_u16(), text(answer.into_body()).await.as_str()), (becomes, ""));
        assert_eq!(observe.stats().executions, 0);
    }
}

#[tokio::test]
async fn a_rejected_response_keeps_all_but_its_status() {
    for (said, becomes) in [("418", 418), ("1000", 400)] {
        let mut exchange = open([load(guest::SGL_OBSERVE).await, load(guest::SGL_EDIT).await]);
        passed(exchange.on_request(request(&[])).await);
        let mut upstream = response(200);
        upstream.headers_mut().insert("x-edit", format!("reject={said}").parse().unwrap());
        let answer = exchange.on_response(upstream).await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["server"]), (becomes, &"test".parse().unwrap()));
        // The plugin in front would have been next.
        assert!(!answer.headers().contains_key("x-line"));
        assert_eq!(text(answer.into_body()).await, "response body");
        let last = exchange.decisions().pop().unwrap();
        assert_eq!((last.phase, last.outcome), (Phase::ResponseBody, Outcome::Stop));
    }
}

#[tokio::test]
async fn edits_that_make_no_sense_are_ignored_and_told() {
    let logged = Logged::default();
    let edit = plugin(guest::SGL_EDIT).load(&logged.engine()).await.unwrap();
    let edits = "set host=evil, add content-length=1, remove connection, set a b=1, add x-a=1";
    let sent = passed(ask(&edit, &[("x-edit", edits)]).await);
    assert_eq!(sent.headers()["host"], "example.test");
    assert!(!sent.headers().contains_key("content-length"));
    assert_eq!(sent.headers()["x-a"], "1");
    assert_eq!(
        logged.lines(),
        ["test exchange-1 Warn host: ignored 4 edits of headers, the first because the host manages `host`"]
    );
}

#[tokio::test]
async fn responses_that_stream_are_passed_by_and_counted() {
    for content_type in ["text/event-stream", "application/x-ndjson; charset=utf-8"] {
        let observe = load(guest::SGL_OBSERVE).await;
        let mut exchange = open([observe.clone()]);
        passed(exchange.on_request(request(&[])).await);
        let mut upstream = streamed_response(["data: 1\n\n", "data: 2\n\n"]);
        upstream.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        let answer = exchange.on_response(upstream).await;
        assert!(!answer.headers().contains_key("x-line"));
        let last = exchange.decisions().pop().unwrap();
        assert_eq!((last.phase, last.outcome), (Phase::ResponseBody, Outcome::StreamPassed));
        exchange.finish();
        // The request was seen.
        assert_eq!((observe.stats().executions, observe.stats().active), (1, 0));
        assert_eq!(text(answer.into_body()).await, "data: 1\n\ndata: 2\n\n");
    }
}

#[tokio::test]
async fn a_response_without_content_is_seen() {
    let observe = load(guest::SGL_OBSERVE).await;
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
        let mut exchange = open([observe.clone()]);
        let asked = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
        passed(exchange.on_request(asked).await);
        let upstream = Response::builder().status(status).header("etag", "\"1\"").body(Body::empty()).unwrap();
        let answer = exchange.on_response(upstream).await;
        assert_eq!(
            (&answer.headers()["x-body"], &answer.headers()["etag"]),
            (&"".parse().unwrap(), &"\"1\"".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_no_message_of_this_plugin() {
    let limits = Limits { body_bytes: 8, ..Limits::default() };
    let observe = plugin(guest::SGL_OBSERVE).limits(limits).load(crate::common::engine()).await.unwrap();
    let mut exchange = open([observe]);
    assert_eq!(answered(exchange.on_request(request(&[])).await).status(), 413);
    assert_eq!(exchange.failures()[0].class, FailureClass::BodyTooLarge);
}

#[tokio::test]
async fn a_guest_is_called_where_it_is_attached() {
    for (points, sees_request, sees_response) in [
        (json!(["OnRequest"]), true, false),
        (json!(["OnResponse"]), false, true),
        (json!(["OnRequest", "OnResponse"]), true, true),
    ] {
        let options = json!({ "attach_points": points });
        let observe = plugin(guest::SGL_OBSERVE).abi_options(options).load(crate::common::engine()).await.unwrap();
        let mut exchange = open([observe]);
        let sent = passed(exchange.on_request(request(&[])).await);
        assert_eq!(sent.headers().contains_key("x-line"), sees_request);
        let answer = exchange.on_response(response(200)).await;
        assert_eq!(answer.headers().contains_key("x-line"), sees_response);
    }
}
