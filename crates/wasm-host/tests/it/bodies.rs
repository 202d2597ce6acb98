//! Plugins read, replace, drop, end and refuse bodies, and what they do not ask for goes past them.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody, channel::Channel};
use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{
    Body, BodyLate, BodyMode, Error, FailureAction, FailureClass, FailurePolicy, Framing, Limits, Outcome, Phase,
    Plugin, PluginBuilder, PoolPolicy, RequestOutcome, Reuse,
};

use crate::common::{
    Logged, answered, engine, open, passed, plugin, streamed, streamed_request, streamed_response, text,
};

fn bodies(config: Value) -> PluginBuilder {
    plugin(guest::NATIVE_BODIES).config(config)
}

async fn on_request(config: Value) -> Plugin {
    bodies(json!({ "request": config })).load(engine()).await.unwrap()
}

async fn on_response(config: Value) -> Plugin {
    bodies(json!({ "response": config })).load(engine()).await.unwrap()
}

/// A body that says how many of its frames were taken.
fn counted(frames: &'static [&'static str]) -> (Body, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let frames = frames.iter().map(move |frame| {
        counter.fetch_add(1, SeqCst);
        Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(frame.as_bytes())))
    });
    (Body::new(StreamBody::new(Iter(frames))), taken)
}

struct Iter<I>(I);

impl<I: Iterator + Unpin> tokio_stream::Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

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

/// Each piece is there before the next is sent: nothing waits for the whole body.
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

/// A wait holds the piece, not the thread; and the wall clock of each piece is its own.
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
async fn a_guest_cannot_inflate_a_piece_without_bound() {
    let plugin = on_response(json!({ "mode": "chunks", "act": "inflate" })).await;
    let mut exchange = open([plugin]);
    passed(exchange.on_request(streamed_request([])).await);
    let response = exchange.on_response(streamed_response(["a"])).await;
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(exchange.failures()[0].class, FailureClass::Hostcall);
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

/// An upstream that answers early and resets must not take the exchange's state with it, nor open a closed plugin.
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

fn broken() -> Body {
    let frames = [Ok(http_body::Frame::data(Bytes::from("some"))), Err(std::io::Error::other("cable cut"))];
    Body::new(StreamBody::new(Iter(frames.into_iter())))
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
