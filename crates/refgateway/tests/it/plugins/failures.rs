use http::Response;
use test_guests::NATIVE_MISBEHAVE;

use super::{get_with, plugins};
use crate::support::*;

async fn misbehaving(more: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::echo().await;
    let more = format!("limits: {{ cpu: 200ms, wall: 2s, memory: 4MiB, hostcalls: 100 }}, {more}");
    let gateway = Plugged::to(upstream.address).through("bad", NATIVE_MISBEHAVE, &more).start();
    (upstream, gateway)
}

#[tokio::test]
async fn failures_are_closed_by_default() {
    let (upstream, gateway) = misbehaving("").await;
    for (what, status) in [
        ("panic", 500),
        ("trap", 500),
        ("error", 500),
        ("memory", 500),
        ("hostcalls", 500),
        ("response", 500),
        ("loop", 504),
        ("sleep", 504),
    ] {
        let answer = get_with(&gateway.url("/"), &[("x-do", what)]).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {answer:?}");
        assert!(answer.header("x-request-id").is_some());
        assert!(!answer.text().contains("bad") && !answer.text().contains("gave up"), "{answer:?}");
    }
    assert_eq!(upstream.requests(), 0);
    assert_eq!(get(&gateway.url("/")).await.status, 200);
}

#[tokio::test]
async fn too_many_exchanges_are_503() {
    let upstream = Upstream::echo().await;
    let more = "limits: { concurrency: 1, queue: 0, wall: 5s }";
    let gateway = Plugged::to(upstream.address).through("bad", NATIVE_MISBEHAVE, more).start();
    let url = gateway.url("/");
    let slow = tokio::spawn(async move { get_with(&url, &[("x-do", "sleep")]).await });
    until(async || plugins(&gateway).await[0]["stats"]["active"] == 1).await;
    assert_eq!(get(&gateway.url("/")).await.status, 503);
    slow.abort();
    // A client that leaves gives the instance's place back.
    until(async || get(&gateway.url("/")).await.status == 200).await;
}

#[tokio::test]
async fn closed_failures_have_the_status_and_the_header_of_the_config() {
    let (_upstream, gateway) = misbehaving("on_failure: { default: closed(418), expose_header: x-why }").await;
    let answer = get_with(&gateway.url("/"), &[("x-do", "panic")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-why")), (418, Some("bad;trap")));

    let (_upstream, gateway) = misbehaving("on_failure: { trap: closed(418) }").await;
    let answer = get_with(&gateway.url("/"), &[("x-do", "panic")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-why")), (418, None));
    assert_eq!(get_with(&gateway.url("/"), &[("x-do", "error")]).await.status, 500);
}

#[tokio::test]
async fn closed_failures_have_the_body_of_the_config() {
    let sorry = "{ closed: { status: 503, body: 'sorry, later' } }";
    let more = format!("on_failure: {{ default: open, request: {{ trap: {sorry} }} }}");
    let (_upstream, gateway) = misbehaving(&more).await;
    let answer = get_with(&gateway.url("/"), &[("x-do", "panic")]).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (503, "sorry, later"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(get_with(&gateway.url("/"), &[("x-do", "error")]).await.status, 200);

    let json = "{ closed: { body: '{}', content_type: application/json } }";
    let (_upstream, gateway) = misbehaving(&format!("on_failure: {{ default: {json} }}")).await;
    let answer = get_with(&gateway.url("/"), &[("x-do", "panic")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (500, Some("application/json")));
}

#[tokio::test]
async fn a_plugin_that_fails_too_often_is_left_out_for_a_while() {
    let upstream = Upstream::echo().await;
    let gateway = Plugged::to(upstream.address)
        .through("breaking", NATIVE_MISBEHAVE, "circuit_breaker: { failures: 2, window: 1h, cooldown: 1h }")
        .through("steady", NATIVE_MISBEHAVE, "")
        .start();
    let metrics = async || get(&format!("http://{}/metrics", gateway.admin())).await.text().to_owned();
    assert_eq!(plugins(&gateway).await[0]["circuit"], "closed");
    assert!(plugins(&gateway).await[1]["circuit"].is_null());
    assert!(metrics().await.contains("wasm_plugin_circuit_state{plugin=\"breaking\"} 0\n"));
    for what in ["panic", "panic", "nothing"] {
        assert_eq!(get_with(&gateway.url("/"), &[("x-do", what)]).await.status, 500, "{what}");
    }
    let plugin = &plugins(&gateway).await[0];
    assert_eq!((&plugin["circuit"], &plugin["stats"]["executions"]), (&"open".into(), &2.into()));
    let metrics = metrics().await;
    for line in [
        "wasm_plugin_circuit_state{plugin=\"breaking\"} 2\n",
        "wasm_plugin_executions_total{plugin=\"breaking\",phase=\"request\",outcome=\"circuit-open\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("wasm_plugin_circuit_state{plugin=\"steady\"}"));
}

#[tokio::test]
async fn open_failures_let_the_request_pass_without_the_plugin_s_edits() {
    for (policy, tag) in [
        ("open", None),
        ("open+tag", Some(("x-plugin-failure", "bad;cpu-deadline"))),
        ("open+tag(x-tag)", Some(("x-tag", "bad;cpu-deadline"))),
    ] {
        let (_upstream, gateway) = misbehaving(&format!("on_failure: {{ cpu-deadline: {policy} }}")).await;
        let answer = get_with(&gateway.url("/"), &[("x-do", "loop")]).await;
        assert_eq!(answer.status, 200, "{policy}");
        let echo = answer.json();
        assert!(echo["headers"]["x-half-done"].is_null(), "{policy}: {echo}");
        if let Some((name, value)) = tag {
            assert_eq!(echo["headers"][name][0], value, "{policy}");
        }
    }
}

#[tokio::test]
async fn a_failure_is_tried_again_on_a_fresh_instance_once() {
    let (upstream, gateway) = misbehaving("on_failure: { default: retry-fresh }").await;
    assert_eq!(get_with(&gateway.url("/"), &[("x-do", "panic")]).await.status, 500);
    assert_eq!(plugins(&gateway).await[0]["stats"]["failures"]["trap"], 2);
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_failure_on_the_response_is_closed_too() {
    let upstream = Upstream::start(|_| async {
        let mut response = Response::new(body::full("secret page"));
        response.headers_mut().insert("x-do", "panic".parse().unwrap());
        response
    })
    .await;
    for (policy, status, text) in [("closed", 500, ""), ("open", 200, "secret page")] {
        let more = format!("on_failure: {{ default: {policy} }}");
        let gateway = Plugged::to(upstream.address).through("bad", NATIVE_MISBEHAVE, &more).start();
        let answer = get(&gateway.url("/")).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.text() == "secret page", text == "secret page", "{answer:?}");
    }
}

#[tokio::test]
async fn an_endless_loop_does_not_stop_the_others_of_its_worker() {
    let upstream = Upstream::echo().await;
    let gateway =
        Plugged::to(upstream.address).through("bad", NATIVE_MISBEHAVE, "limits: { cpu: 2s, wall: 10s }").start();
    let url = gateway.url("/");
    let endless = tokio::spawn(async move { get_with(&url, &[("x-do", "loop")]).await });
    until(async || plugins(&gateway).await[0]["stats"]["active"] == 1).await;
    assert_eq!(get(&gateway.url("/")).await.status, 200);
    assert!(!endless.is_finished());
    assert_eq!(endless.await.unwrap().status, 504);
}
