//! Bodies that plugins see piece by piece.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full, channel::Channel};
use serde_json::json;
use wasm_host::{Body, Limits, Outcome, Phase, PoolPolicy, Reuse};

use super::{bodies, counted, on_response};
use crate::common::{Logged, engine, open, passed, streamed_request, streamed_response, text};

#[tokio::test]
async fn every_streaming_action() {
    for (act, expected) in [
        ("pass", "one\ntwo\n"),
        ("upper", "ONE\nTWO\n"),
        ("drop", ""),
        ("twice", "one\none\ntwo\ntwo\n"),
        ("finish", "finished"),
        ("leave", "one\ntwo\n"),
    ] {
        let plugin = on_response(json!({ "mode": "lines", "act": act })).await;
        let mut exchange = open([plugin]);
        passed(exchange.on_request(streamed_request([])).await);
        let response = exchange.on_response(streamed_response(["on", "e\ntwo\n"])).await;
        assert_eq!(text(response.into_body()).await, expected, "{act}");
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_piece_by_piece_lets_others_run() {
    let plugin = on_response(json!({ "mode": "lines", "act": "drop" })).await;
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let lines = Full::new(Bytes::from("a\n".repeat(10_000)));
    let response = exchange.on_response(Response::new(Body::new(lines))).await;
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(text(response.into_body()).await, "");
    other.abort();
    assert!(turns.load(SeqCst) > 10, "it had {} turns", turns.load(SeqCst));
}

#[tokio::test]
async fn what_ends_a_body_early_does_not_read_the_rest() {
    let plugin = on_response(json!({ "mode": "lines", "act": "finish" })).await;
    let (body, taken) = counted(&["a\n", "b\n", "c\n", "d\n"]);
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(Response::new(body)).await;
    assert_eq!(text(response.into_body()).await, "finished");
    assert_eq!(taken.load(SeqCst), 1);
}

#[tokio::test]
async fn a_reset_is_no_clean_end() {
    let plugin = on_response(json!({ "mode": "lines", "act": "reset" })).await;
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["a\nb\n"])).await;
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(error.to_string(), "the body was cut by the plugin `test`");
}

#[tokio::test]
async fn an_event_untouched_is_the_same_to_the_byte() {
    const STREAM: &str =
        "\u{feff}: hello\r\nevent:a\r\ndata:1\r\ndata: 2\r\n\r\nid: x\n\n:ping\n\nretry:5\rdata\r\rdata: last";
    let logged = Logged::default();
    let config = json!({ "response": { "mode": "sse", "log": true } });
    let plugin = bodies(config).load(&logged.engine()).await.unwrap();
    for split in 0..STREAM.len() {
        let (before, after) = STREAM.as_bytes().split_at(split);
        let mut exchange = open([plugin.clone()]);
        passed(exchange.on_request(streamed_request([])).await);
        let (mut sender, body) = Channel::<Bytes>::new(4);
        for part in [before, after] {
            sender.send_data(Bytes::copy_from_slice(part)).await.unwrap();
        }
        drop(sender);
        let response = exchange.on_response(Response::new(Body::new(body))).await;
        assert_eq!(text(response.into_body()).await, STREAM);
    }
    let lines = logged.lines();
    assert_eq!(
        lines[..5],
        [
            r#"test exchange-1 Info : event Some("a") "1\n2" None None"#,
            r#"test exchange-1 Info : event None "" Some("x") None"#,
            r#"test exchange-1 Info : event None "" None Some(5)"#,
            r#"test exchange-1 Info : event None "last" None None"#,
            "test exchange-1 Info : end",
        ]
    );
    assert_eq!(lines.len(), 5 * STREAM.len());
}

#[tokio::test]
async fn a_replaced_event_is_an_event() {
    let plugin = on_response(json!({ "mode": "sse", "act": "upper-event" })).await;
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["event: x\nid: 7\ndata: a\ndata: b\n\n"])).await;
    assert_eq!(text(response.into_body()).await, "event: x\nid: 7\ndata: A\ndata: B\n\n");
}

#[tokio::test]
async fn the_first_piece_does_not_wait_for_the_second() {
    let plugin = on_response(json!({ "mode": "sse", "act": "pass" })).await;
    let second = bodies(json!({ "response": { "mode": "lines" } })).load(engine()).await.unwrap();
    let mut exchange = open([plugin, second]);
    passed(exchange.on_request(streamed_request([])).await);
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let mut body = exchange.on_response(Response::new(Body::new(body))).await.into_body();
    for number in 0..3 {
        let event = format!("data: {number}\n\n");
        sender.send_data(Bytes::from(event.clone())).await.unwrap();
        let mut got = Vec::new();
        while got.len() < event.len() {
            got.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!(got, event.as_bytes());
    }
}

#[tokio::test]
async fn a_stream_states_no_length() {
    let plugin = on_response(json!({ "mode": "chunks", "act": "twice" })).await;
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let mut response = Response::new(Body::from("abc"));
    response.headers_mut().insert(header::CONTENT_LENGTH, 3.into());
    let response = exchange.on_response(response).await;
    assert!(!response.headers().contains_key(header::CONTENT_LENGTH));
    assert_eq!(text(response.into_body()).await, "abcabc");
}

#[tokio::test]
async fn a_guest_may_wait_in_the_middle_of_a_body() {
    let config = json!({ "response": { "mode": "lines", "act": "sleep" } });
    let limits = |wall| Limits { wall: Duration::from_millis(wall), ..Limits::default() };
    let waits = bodies(config.clone()).limits(limits(60)).load(engine()).await.unwrap();
    let late = bodies(config).limits(limits(10)).load(engine()).await.unwrap();
    let mut flows = Vec::new();
    for plugin in [waits.clone(), waits, late] {
        let mut exchange = open([plugin]);
        passed(exchange.on_request(streamed_request([])).await);
        let response = exchange.on_response(streamed_response(["a\nb\nc\n"])).await;
        flows.push(response.into_body().collect());
    }
    let late = flows.pop().unwrap().await;
    assert!(late.is_err());
    let ticks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ticks);
    let others = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            counter.fetch_add(1, SeqCst);
        }
    });
    let bodies = tokio::join!(flows.pop().unwrap(), flows.pop().unwrap());
    others.abort();
    assert_eq!((bodies.0.unwrap().to_bytes(), bodies.1.unwrap().to_bytes()), ("a\nb\nc\n".into(), "a\nb\nc\n".into()));
    assert!(ticks.load(SeqCst) > 0, "the thread was held");
}

#[tokio::test]
async fn trailers_are_read_and_written_in_every_mode() {
    for mode in ["trailers", "buffer", "chunks", "lines", "sse", "peek"] {
        let plugin = on_response(json!({ "mode": mode, "bytes": 100, "end": "trailer" })).await;
        let mut exchange = open([plugin]);
        passed(exchange.on_request(streamed_request([])).await);
        let mut trailers = HeaderMap::new();
        trailers.insert("x-own", "1".parse().unwrap());
        let body = http_body_util::Full::new(Bytes::from("a\n")).with_trailers(std::future::ready(Some(Ok(trailers))));
        let response = exchange.on_response(Response::new(Body::new(body))).await;
        assert_eq!(response.headers()["trailer"], "x-end", "{mode}");
        let body = response.into_body().collect().await.unwrap();
        let trailers = body.trailers().unwrap();
        assert_eq!((&trailers["x-own"], &trailers["x-end"]), (&"1".parse().unwrap(), &"response".parse().unwrap()));
        assert_eq!(body.to_bytes(), "a\n");
    }
}

#[tokio::test]
async fn plugins_with_different_modes_share_a_body() {
    let upper = on_response(json!({ "mode": "buffer", "bytes": 100, "act": "upper" })).await;
    let twice = on_response(json!({ "mode": "lines", "act": "twice" })).await;
    let tail = on_response(json!({ "mode": "chunks", "end": "append" })).await;
    // The last of the chain is the first to see a response.
    let mut exchange = open([tail, upper, twice]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["a\nb", "\n"])).await;
    assert_eq!(text(response.into_body()).await, "A\nA\nB\nB\nappended");
}

#[tokio::test]
async fn headers_cannot_be_edited_once_they_are_sent() {
    let logged = Logged::default();
    let config =
        json!({ "request": { "mode": "chunks", "act": "edit" }, "response": { "mode": "chunks", "act": "edit" } });
    let plugin = bodies(config).load(&logged.engine()).await.unwrap();
    let mut exchange = open([plugin]);
    let request = passed(exchange.on_request(streamed_request(["a"])).await);
    assert_eq!(text(request.into_body()).await, "a");
    let response = exchange.on_response(streamed_response(["b"])).await;
    assert_eq!((response.status().as_u16(), text(response.into_body()).await.as_str()), (200, "b"));
    assert!(logged.lines().iter().all(|line| line.contains("WrongTime")), "{:?}", logged.lines());
    assert_eq!(logged.lines().len(), 4);
}

#[tokio::test]
async fn the_pieces_of_a_body_are_one_decision() {
    let plugin = on_response(json!({ "mode": "lines", "act": "upper" })).await;
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["a\nb\nc\n"])).await;
    text(response.into_body()).await;
    let decisions = exchange.decisions();
    let body = decisions.iter().find(|decision| decision.phase == Phase::ResponseBody).unwrap();
    assert_eq!((body.outcome, body.calls), (Outcome::Replace, 4));
}

#[tokio::test]
async fn an_instance_is_kept_after_the_last_piece_and_not_after_a_cut() {
    let reuse = PoolPolicy::Reuse(Reuse::default());
    let config = json!({ "response": { "mode": "lines" } });
    let plugin = bodies(config).pool(reuse).load(engine()).await.unwrap();
    for (read_all, idle) in [(true, 1), (false, 0)] {
        let mut exchange = open([plugin.clone()]);
        passed(exchange.on_request(streamed_request([])).await);
        let mut body = exchange.on_response(streamed_response(["a\n", "b\n"])).await.into_body();
        exchange.finish();
        assert_eq!((plugin.stats().active, plugin.stats().idle), (1, 0));
        body.frame().await.unwrap().unwrap();
        while read_all && body.frame().await.is_some() {}
        drop(body);
        assert_eq!((plugin.stats().active, plugin.stats().idle), (0, idle));
    }
}

#[tokio::test]
async fn both_bodies_flow_through_one_instance() {
    let config =
        json!({ "request": { "mode": "lines", "act": "upper" }, "response": { "mode": "lines", "act": "twice" } });
    let plugin = bodies(config).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    let (mut up, body) = Channel::<Bytes>::new(1);
    let mut upstream = passed(exchange.on_request(Request::post("/").body(Body::new(body)).unwrap()).await).into_body();
    let (mut down, body) = Channel::<Bytes>::new(1);
    let mut downstream = exchange.on_response(Response::new(Body::new(body))).await.into_body();
    for _ in 0..3 {
        up.send_data("a\n".into()).await.unwrap();
        assert_eq!(upstream.frame().await.unwrap().unwrap().into_data().unwrap(), "A\n");
        down.send_data("b\n".into()).await.unwrap();
        assert_eq!(downstream.frame().await.unwrap().unwrap().into_data().unwrap(), "b\nb\n");
    }
}
