//! How plugins have requests sent, and what they need of each other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, Request, Response, StatusCode};
use test_guests::{NATIVE_BODIES, NATIVE_CHOOSE, NATIVE_SHARE, NATIVE_TELL_FACTS, NATIVE_TICK};

use super::get_with;
use crate::support::*;

const GRANTS: &str = "grants: { upstream_timeout: 5s, upstream_retries: 3 }";

/// Answers 503 so many times, and then 200 with the body it got.
async fn failing(times: usize) -> Upstream {
    let left = Arc::new(AtomicUsize::new(times));
    Upstream::start(move |request| {
        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        async move {
            let mut response = echo(request).await;
            *response.status_mut() = if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            response
        }
    })
    .await
}

#[tokio::test]
async fn a_request_is_sent_again_as_often_as_a_plugin_asked() {
    for (failures, retries, status, sent) in [(2, "2", 200, 3), (2, "1", 503, 2), (0, "3", 200, 1), (1, "0", 503, 1)] {
        let upstream = failing(failures).await;
        let gateway = Plugged::to(upstream.address).through("route", NATIVE_CHOOSE, GRANTS).start();
        let answer = get_with(&gateway.url("/"), &[("x-retries", retries)]).await;
        assert_eq!((answer.status.as_u16(), upstream.requests()), (status, sent), "{failures} {retries}");
    }
}

#[tokio::test]
async fn what_could_do_harm_twice_is_sent_once() {
    let upstream = failing(1).await;
    let gateway = Plugged::to(upstream.address).through("route", NATIVE_CHOOSE, GRANTS).start();
    for (method, body) in [(Method::POST, body::empty()), (Method::PUT, body::full("flows"))] {
        let request = Request::builder().method(method).uri(gateway.url("/")).header("x-retries", "3");
        let before = upstream.requests();
        send(&client(), request.body(body).unwrap()).await;
        assert_eq!(upstream.requests(), before + 1);
    }
}

#[tokio::test]
async fn a_body_that_a_plugin_held_is_sent_again() {
    let upstream = failing(1).await;
    let held = "config: { request: { mode: buffer, bytes: 1024 } }";
    let gateway = Plugged::to(upstream.address)
        .through("hold", NATIVE_BODIES, held)
        .through("route", NATIVE_CHOOSE, GRANTS)
        .start();
    let request = Request::put(gateway.url("/")).header("x-retries", "1").body(body::full("all of it")).unwrap();
    let answer = send(&client(), request).await;
    assert_eq!((answer.status.as_u16(), upstream.requests()), (200, 2));
    assert_eq!(answer.json()["body"], "all of it");
}

#[tokio::test]
async fn a_plugin_shortens_the_time_of_the_upstream() {
    let upstream = Upstream::start(|_| async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Response::new(body::empty())
    })
    .await;
    let gateway = Plugged::to(upstream.address).through("route", NATIVE_CHOOSE, GRANTS).start();
    let answer = get_with(&gateway.url("/"), &[("x-timeout-ms", "50"), ("x-retries", "3")]).await;
    assert_eq!((answer.status.as_u16(), upstream.requests()), (504, 1), "the timeout covers every attempt");
}

fn providing(upstream: &Upstream, provider: &str) -> String {
    Plugged::to(upstream.address)
        .through("auth", NATIVE_SHARE, &format!("config: {{ name: a }}, {provider}"))
        .through("quota", NATIVE_SHARE, "config: { name: b }, priority: 5, requires: [trail]")
        .text()
}

#[tokio::test]
async fn a_chain_that_lacks_a_property_is_refused() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&providing(&upstream, "provides: [trail]"));
    let error = gateway.try_reload(&providing(&upstream, "priority: 1")).unwrap_err().to_string();
    assert_eq!(
        error,
        "route `all`: plugin `quota` requires the property `trail`, and no plugin before it in the chain provides it"
    );
    let disable = format!("http://{}/api/plugins/auth/disable", gateway.admin());
    let refused = post(&disable, "").await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("requires the property `trail`"), "{}", refused.text());
    assert_eq!(get(&gateway.url("/")).await.json()["headers"]["x-trail"][0], "ab");
}

#[tokio::test]
async fn a_plugin_ticks_while_nobody_asks() {
    let upstream = Upstream::echo().await;
    let ticking = |name: &str, more: &str| {
        let config = format!("pool: {{ mode: reuse }}, config: {{ every_ms: 10 }}, {more}");
        Plugged::to(upstream.address).through(name, NATIVE_TICK, &config)
    };
    let gateway = ticking("ticks", "").start();
    let count = async |plugin: &str| {
        let start = format!(r#"wasm_plugin_executions_total{{plugin="{plugin}",phase="tick",outcome="continue"}} "#);
        let metrics = get(&format!("http://{}/metrics", gateway.admin())).await.text().to_owned();
        metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse::<u32>().ok()).unwrap_or(0)
    };
    until(async || count("ticks").await >= 3).await;
    // The operator's word counts: while one plugin ticks on, another has an hour.
    gateway
        .try_reload(&ticking("waits", "tick: 1h").through("ticks", NATIVE_TICK, "config: { every_ms: 10 }").text())
        .unwrap();
    let before = count("ticks").await;
    until(async || count("ticks").await >= before + 3).await;
    assert_eq!(count("waits").await, 0);
}

#[tokio::test]
async fn a_run_can_be_repeated() {
    let upstream = Upstream::echo().await;
    let run = async || {
        let text = Plugged::to(upstream.address).through("time", NATIVE_TELL_FACTS, "").text();
        let gateway = Gateway::start(&format!("{text}repeatable: {{ time: 1767225600, seed: 7 }}\n"));
        get(&gateway.url("/")).await.text().replace(|c: char| !c.is_ascii(), "")
    };
    let first = run().await;
    let stable = |answer: &str| answer.split(", elapsed").next().unwrap().to_owned();
    let random = |answer: &str| answer.split("random ").nth(1).unwrap().to_owned();
    let second = run().await;
    assert_eq!((stable(&first), random(&first)), (stable(&second), random(&second)));
    assert!(first.starts_with("wall 1767225600s, up 0ns"), "{first}");
}
