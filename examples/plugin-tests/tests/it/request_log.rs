use http::{HeaderValue, StatusCode};
use plugin_tests::REQUEST_LOG;
use serde_json::json;

use crate::harness::{answer, chain, example_chain, exchange, facts, get, logged, refusal, send};

#[tokio::test]
async fn gives_the_exchange_id_to_upstream_and_client() {
    let chain = example_chain(REQUEST_LOG).await;
    let passed = exchange(&chain, facts("given-1"), get("/", &[]), answer(200, &[])).await;
    assert_eq!(passed.upstream_header("x-request-id"), ["given-1"]);
    assert_eq!(passed.header("x-request-id"), ["given-1"]);
}

#[tokio::test]
async fn keeps_a_sane_id_of_the_client() {
    let chain = example_chain(REQUEST_LOG).await;
    let request = get("/", &[("X-Request-Id", "01HXYZ-a_b.c:d/e+f=@")]);
    let passed = exchange(&chain, facts("kept-1"), request, answer(200, &[("x-request-id", "the upstream's")])).await;
    assert_eq!(passed.upstream_header("x-request-id"), ["01HXYZ-a_b.c:d/e+f=@"]);
    assert_eq!(passed.header("x-request-id"), ["01HXYZ-a_b.c:d/e+f=@"]);
}

#[tokio::test]
async fn replaces_ids_that_are_not_sane() {
    let chain = example_chain(REQUEST_LOG).await;
    let long = "a".repeat(129);
    for id in [&b""[..], b"a b", b"a\tstatus=200", b"\xff\xfe", b"<script>", long.as_bytes()] {
        let mut request = get("/", &[]);
        request.headers_mut().insert("x-request-id", HeaderValue::from_bytes(id).unwrap());
        let passed = exchange(&chain, facts("replaced-1"), request, answer(200, &[])).await;
        assert_eq!(passed.upstream_header("x-request-id"), ["replaced-1"], "{id:?}");
    }
}

#[tokio::test]
async fn leaves_one_id_when_several_are_sent() {
    let chain = example_chain(REQUEST_LOG).await;
    let passed = send(&chain, get("/", &[("x-request-id", "a"), ("x-request-id", "b")])).await;
    assert_eq!(passed.upstream_header("x-request-id"), ["a"]);
}

#[tokio::test]
async fn makes_500_a_503_and_leaves_other_statuses() {
    let chain = example_chain(REQUEST_LOG).await;
    for (upstream, client) in [(500, 503), (200, 200), (404, 404), (501, 501), (502, 502)] {
        let passed = exchange(&chain, facts("status-1"), get("/", &[]), answer(upstream, &[])).await;
        assert_eq!(passed.status(), client);
        assert_eq!(passed.body, "upstream");
    }
}

#[tokio::test]
async fn logs_one_line_an_exchange_without_the_query() {
    let chain = example_chain(REQUEST_LOG).await;
    let request = get("/orders/7?token=secret", &[("x-request-id", "mine")]);
    exchange(&chain, facts("logged-1"), request, answer(StatusCode::INTERNAL_SERVER_ERROR.as_u16(), &[])).await;
    assert_eq!(logged("logged-1"), ["GET /orders/7 503 7000us 8B id=mine"]);
}

#[tokio::test]
async fn does_not_mix_exchanges_that_overlap() {
    let chain = example_chain(REQUEST_LOG).await;
    let (mut first, mut second) = (chain.exchange(facts("overlap-1")), chain.exchange(facts("overlap-2")));
    first.on_request(get("/1", &[])).await;
    second.on_request(get("/2", &[])).await;
    assert_eq!(first.on_response(answer(200, &[])).await.headers()["x-request-id"], "overlap-1");
    assert_eq!(second.on_response(answer(200, &[])).await.headers()["x-request-id"], "overlap-2");
}

#[tokio::test]
async fn uses_the_configured_header() {
    let chain = chain(REQUEST_LOG, json!({ "header": "X-Correlation-Id" })).await;
    let passed = send(&chain, get("/", &[("x-correlation-id", "c-1"), ("x-request-id", "r-1")])).await;
    assert_eq!(passed.header("x-correlation-id"), ["c-1"]);
    assert!(passed.header("x-request-id").is_empty());
}

#[tokio::test]
async fn needs_no_config() {
    let passed = send(&chain(REQUEST_LOG, json!(null)).await, get("/", &[])).await;
    assert_eq!(passed.header("x-request-id"), ["exchange-1"]);
}

#[tokio::test]
async fn refuses_bad_configs() {
    assert!(refusal(REQUEST_LOG, json!({ "header": "a b" })).await.ends_with("`header`: `a b` is not a header name"));
    assert!(refusal(REQUEST_LOG, json!({ "headers": "a" })).await.contains("unknown field `headers`"));
}
