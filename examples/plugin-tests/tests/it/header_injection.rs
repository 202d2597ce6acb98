use plugin_tests::HEADER_INJECTION;
use serde_json::{Value, json};
use wasm_host::ExchangeFacts;

use crate::harness::{answer, assert_closed, chain, example_chain, exchange, facts, get, refusal, send};

#[tokio::test]
async fn edits_the_request_with_facts_of_the_exchange() {
    let chain = example_chain(HEADER_INJECTION).await;
    let facts = ExchangeFacts { route: Some("orders".into()), service: Some("backend".into()), ..facts("ex-7") };
    let request =
        get("/", &[("x-internal", "1"), ("x-internal", "2"), ("x-exchange-id", "forged"), ("x-path", "edge")]);
    let passed = exchange(&chain, facts, request, answer(200, &[])).await;
    assert!(passed.upstream_header("x-internal").is_empty());
    assert_eq!(passed.upstream_header("x-exchange-id"), ["ex-7"]);
    assert_eq!(passed.upstream_header("x-path"), ["edge", "orders to backend for 192.0.2.1"]);
}

#[tokio::test]
async fn edits_the_response() {
    let chain = example_chain(HEADER_INJECTION).await;
    let answer = answer(200, &[("server", "backend/1"), ("vary", "accept")]);
    let passed = exchange(&chain, facts("ex-8"), get("/", &[]), answer).await;
    assert!(passed.header("server").is_empty());
    assert_eq!(passed.header("vary"), ["accept", "x-tenant"]);
    assert_eq!(passed.header("x-exchange-id"), ["ex-8"]);
    assert_eq!(passed.header("strict-transport-security"), ["max-age=31536000"]);
    assert_eq!(passed.body, "upstream");
}

#[tokio::test]
async fn a_fact_the_host_does_not_know_is_empty() {
    let config = json!({ "request": [{ "op": "set", "header": "x-route", "value": "[${route}|${service}|${client_address}]" }] });
    let chain = chain(HEADER_INJECTION, config).await;
    let passed = exchange(&chain, ExchangeFacts::default(), get("/", &[]), answer(200, &[])).await;
    assert_eq!(passed.upstream_header("x-route"), ["[||]"]);
}

#[tokio::test]
async fn edits_run_in_the_order_they_are_written() {
    let config = json!({ "request": [
        { "op": "append", "header": "x-a", "value": "1" },
        { "op": "remove", "header": "X-A" },
        { "op": "append", "header": "x-a", "value": "2" },
        { "op": "append", "header": "x-a", "value": "$3 {id} $" },
    ] });
    let passed = send(&chain(HEADER_INJECTION, config).await, get("/", &[("x-a", "0")])).await;
    assert_eq!(passed.upstream_header("x-a"), ["2", "$3 {id} $"]);
}

#[tokio::test]
async fn changes_nothing_without_config() {
    let passed = send(&chain(HEADER_INJECTION, json!(null)).await, get("/", &[("x-a", "0")])).await;
    assert_eq!(passed.upstream.unwrap().headers.len(), 2);
    assert!(passed.response.headers.is_empty());
}

#[tokio::test]
async fn fails_closed_on_a_fact_that_is_no_header_value() {
    let config = json!({ "request": [{ "op": "set", "header": "x-route", "value": "${route}" }] });
    let chain = chain(HEADER_INJECTION, config).await;
    let facts = ExchangeFacts { route: Some("a\r\nx-admin: yes".into()), ..facts("ex-9") };
    assert_closed(&exchange(&chain, facts, get("/", &[]), answer(200, &[])).await);
}

fn set(header: &str, value: &str) -> Value {
    json!({ "response": [{ "op": "set", "header": header, "value": value }] })
}

#[tokio::test]
async fn refuses_bad_configs() {
    for (config, text) in [
        (set("a b", "x"), "`a b` is not a header name"),
        (set("", "x"), "`` is not a header name"),
        (set("Transfer-Encoding", "chunked"), "`transfer-encoding` is managed by the host"),
        (json!({ "request": [{ "op": "remove", "header": "host" }] }), "`host` is managed by the host"),
        (set("x-a", "a\r\nb: c"), "\"[the value of /response/0/value]\" is not a header value"),
        (
            set("x-a", "${secret}"),
            "no placeholder `[the value of /response/0/value]`; there are ${id}, ${route}, ${service}, ${client_address}",
        ),
        (set("x-a", "a ${id"), "`[the value of /response/0/value]` has a `${` without a closing `}`"),
        (
            json!({ "response": [{ "op": "replace", "header": "x-a" }] }),
            "/response/0/op: the value is not one of \"set\", \"append\" or \"remove\"",
        ),
        (json!({ "response": [{ "op": "set", "header": "x-a" }] }), "/response/0: \"value\" is a required property"),
        (
            json!({ "response": [{ "op": "remove", "header": "x-a", "value": "b" }] }),
            "/response/0/value: False schema does not allow the value",
        ),
        (json!({ "responses": [] }), "Additional properties are not allowed ('responses' was unexpected)"),
    ] {
        let error = refusal(HEADER_INJECTION, config).await;
        assert!(error.contains(text), "{error}");
    }
}
