//! Guests of sgl-model-gateway, as docs/abi/sgl.md has an operator configure them.

use test_guests::{SGL_BRAND_ERRORS, SGL_LOGGING, SGL_RATE_LIMIT};

use super::get_with;
use crate::support::*;

#[tokio::test]
async fn the_rate_limiter_limits() {
    let upstream = Upstream::echo().await;
    let more = "abi: { attach_points: [OnRequest] }, pool: { mode: reuse, max_idle: 1 }, \
                limits: { concurrency: 1, body_bytes: 10MiB, hostcall_bytes: 11MiB }";
    let gateway = Plugged::to(upstream.address).through("rate-limit", SGL_RATE_LIMIT, more).start();
    let ask = async |key: &str| get_with(&gateway.url("/"), &[("x-api-key", key)]).await.status.as_u16();
    for request in 1..=60 {
        assert_eq!(ask("mine").await, 200, "request {request}");
    }
    assert_eq!((ask("mine").await, ask("another").await), (429, 200));
    assert_eq!(upstream.requests(), 61);
}

#[tokio::test]
async fn requests_are_marked_on_their_way() {
    let upstream = Upstream::echo().await;
    let gateway = Plugged::to(upstream.address).through("logging", SGL_LOGGING, "").start();
    let seen = get(&gateway.url("/v1/models")).await.json();
    assert_eq!(
        (&seen["headers"]["x-wasm-processed"][0], &seen["headers"]["x-api-route"][0]),
        (&"true".into(), &"true".into())
    );
    assert!(seen["headers"]["x-request-id"][0].as_str().is_some_and(|id| !id.is_empty()), "{seen}");
}

#[tokio::test]
async fn an_upstream_that_refuses_is_shown_on_error() {
    let chain = Plugged::to(closed_port().await);
    let branded = chain.through("brand", SGL_BRAND_ERRORS, "abi: { attach_points: [OnError] }").start();
    let answer = get(&branded.url("/")).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (503, "0 headers, 0 bytes"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
}

#[tokio::test]
async fn an_attach_point_that_does_not_fit_is_told() {
    let upstream = Upstream::echo().await;
    let limited =
        Plugged::to(upstream.address).through("limit", SGL_RATE_LIMIT, "abi: { attach_points: [OnResponse] }");
    let error = super::plugins(&limited.start()).await[0].to_string();
    assert!(error.contains("`attach_points` has OnResponse") && error.contains("middleware-on-response"), "{error}");
}
