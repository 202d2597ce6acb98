use http::header;
use plugin_tests::JSON_REWRITE;
use serde_json::{Value, json};
use wasm_host::{FailureAction, FailurePolicy, PluginChain};

use crate::harness::{
    Passed, builder, chain, content, engine, example_chain, exchange, facts, get, post, refusal, send,
};

const JSON: &str = "application/json";

/// What a body is after these edits.
async fn edited(edits: Value, body: &'static str) -> String {
    let chain = chain(JSON_REWRITE, json!({ "response": { "edits": edits } })).await;
    exchange(&chain, facts("rewrite-1"), get("/", &[]), content(JSON, body)).await.body
}

fn set(pointer: &str, value: Value) -> Value {
    json!([{ "op": "set", "pointer": pointer, "value": value }])
}

fn remove(pointer: &str) -> Value {
    json!([{ "op": "remove", "pointer": pointer }])
}

fn rename(pointer: &str, to: &str) -> Value {
    json!([{ "op": "rename", "pointer": pointer, "to": to }])
}

#[tokio::test]
async fn edits_requests_and_responses() {
    let request = r#"{"model":"m","max_tokens":5,"metadata":{"internal":1,"user":"u"}}"#;
    let response = r#"{"id":"1","system_fingerprint":"f","choices":[{"text":"a","index":7}]}"#;
    let chain = example_chain(JSON_REWRITE).await;
    let passed = exchange(&chain, facts("rewrite-2"), post(JSON, request), content(JSON, response)).await;
    let expected =
        r#"{"model":"m","max_completion_tokens":5,"metadata":{"user":"u"},"stream_options":{"include_usage":true}}"#;
    assert_eq!(passed.upstream_body, expected);
    assert_eq!(passed.upstream_header("content-length"), [expected.len().to_string()]);
    assert_eq!(passed.body, r#"{"id":"1","choices":[{"text":"a","index":0}]}"#);
    assert_eq!(passed.header("content-length"), [passed.body.len().to_string()]);
}

#[tokio::test]
async fn sets() {
    for (pointer, body, expected) in [
        ("/a", r#"{"a":0}"#, r#"{"a":1}"#),
        ("/b", r#"{"a":0}"#, r#"{"a":0,"b":1}"#),
        ("/b/c/d", "{}", r#"{"b":{"c":{"d":1}}}"#),
        ("/a/0", r#"{"a":[0,2]}"#, r#"{"a":[1,2]}"#),
        ("/a/-", r#"{"a":[0]}"#, r#"{"a":[0,1]}"#),
        ("/-", "[]", "[1]"),
        ("/a/1", r#"{"a":[0]}"#, r#"{"a":[0]}"#),
        ("/a/00", r#"{"a":[0]}"#, r#"{"a":[0]}"#),
        ("/a/b", r#"{"a":0}"#, r#"{"a":0}"#),
        ("/x~1y~0", "{}", r#"{"x/y~":1}"#),
        ("/", "{}", r#"{"":1}"#),
        ("/a", r#""text""#, r#""text""#),
        ("/a", r#"{"a":2,"a":3}"#, r#"{"a":2,"a":1}"#),
    ] {
        assert_eq!(edited(set(pointer, json!(1)), body).await, expected, "{pointer} {body}");
    }
}

#[tokio::test]
async fn removes() {
    for (pointer, body, expected) in [
        ("/a", r#"{"a":0,"b":1}"#, r#"{"b":1}"#),
        ("/a/b", r#"{"a":{"b":0}}"#, r#"{"a":{}}"#),
        ("/0", "[1,2]", "[2]"),
        ("/2", "[1,2]", "[1,2]"),
        ("/-", "[1,2]", "[1,2]"),
        ("/a", r#"{"a":0,"a":1}"#, "{}"),
        ("/c", r#"{ "a":0 }"#, r#"{ "a":0 }"#),
    ] {
        assert_eq!(edited(remove(pointer), body).await, expected, "{pointer} {body}");
    }
}

#[tokio::test]
async fn renames_in_place() {
    for (pointer, body, expected) in [
        ("/a", r#"{"a":0,"c":1}"#, r#"{"b":0,"c":1}"#),
        ("/a", r#"{"b":2,"a":0}"#, r#"{"b":0}"#),
        ("/x/a", r#"{"x":{"a":0}}"#, r#"{"x":{"b":0}}"#),
        ("/0", "[1]", "[1]"),
        ("/b", r#"{"b":1}"#, r#"{"b":1}"#),
    ] {
        assert_eq!(edited(rename(pointer, "b"), body).await, expected, "{pointer} {body}");
    }
}

#[tokio::test]
async fn what_is_not_edited_stays_as_it_was() {
    let body = "{ \"n\": 12345678901234567890123, \"d\":1.10 ,\"z\": { \"k\" :[ 1,2 ] },\"a\":\"\\u00e9\" }\n";
    assert_eq!(
        edited(set("/new", json!("é")), body).await,
        "{\"n\":12345678901234567890123,\"d\":1.10,\"z\":{ \"k\" :[ 1,2 ] },\"a\":\"\\u00e9\",\"new\":\"é\"}"
    );
    assert_eq!(edited(remove("/missing"), body).await, body);
}

#[tokio::test]
async fn a_body_of_any_depth_is_edited_or_passes() {
    let deep: &'static str = format!("{{\"a\":1,\"b\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000)).leak();
    assert_eq!(edited(remove("/a"), deep).await, deep.replace("\"a\":1,", ""));
}

async fn refusing(content_type: &str, body: &'static str) -> Passed {
    let config = json!({ "request": { "not_json": "refuse" }, "response": { "not_json": "refuse" } });
    let chain = chain(JSON_REWRITE, config).await;
    exchange(&chain, facts("rewrite-3"), post(content_type, body), content(JSON, "{}")).await
}

#[tokio::test]
async fn what_is_not_json_is_refused_or_passes() {
    for (content_type, body, status) in [
        (JSON, "{}", 200),
        ("Application/Problem+JSON; charset=utf-8", "{}", 200),
        (JSON, "{", 400),
        (JSON, "{} {}", 400),
        (JSON, "", 200),
        ("text/plain", "{}", 400),
        ("text/plain", "", 200),
    ] {
        let passed = refusing(content_type, body).await;
        assert_eq!(passed.status(), status, "{content_type} {body}");
        assert_eq!(passed.upstream.is_some(), status == 200);
        let expected = if status == 200 { json!({}) } else { json!({ "error": "the body is not JSON" }) };
        assert_eq!(passed.json(), expected);
    }
    let passes = chain(JSON_REWRITE, json!({ "request": { "edits": remove("/a") } })).await;
    for (content_type, body) in [("text/plain", "{\"a\":1}"), (JSON, "{\"a\":")] {
        assert_eq!(send(&passes, post(content_type, body)).await.upstream_body, body);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_a_502() {
    let chain = chain(JSON_REWRITE, json!({ "response": { "not_json": "refuse" } })).await;
    for (content_type, body, status) in [(JSON, "<html>", 502), ("text/html", "<html>", 502), ("text/html", "", 200)] {
        let passed = exchange(&chain, facts("rewrite-4"), get("/", &[]), content(content_type, body)).await;
        assert_eq!(passed.status(), status, "{content_type} {body}");
        assert!(status == 200 || passed.json() == json!({ "error": "the answer of the service is not JSON" }));
    }
}

#[tokio::test]
async fn a_body_over_its_bound_is_the_operators_decision() {
    let config = json!({ "request": { "edits": remove("/a"), "max_bytes": 10 } });
    let body = r#"{"a":1,"b":2}"#;
    let passed = send(&chain(JSON_REWRITE, config.clone()).await, post(JSON, body)).await;
    assert_eq!((passed.status(), passed.upstream.is_some()), (413, false));
    let open = builder(JSON_REWRITE, config).on_failure(FailurePolicy::always(FailureAction::Open));
    let open = PluginChain::new([open.load(engine()).await.unwrap()]).unwrap();
    assert_eq!(send(&open, post(JSON, body)).await.upstream_body, body);
}

#[tokio::test]
async fn a_packed_body_is_edited_and_sent_plain() {
    let packed = super::header_only::gzip(br#"{"a":1,"b":2}"#);
    let mut response = content(JSON, packed);
    for (name, value) in [("content-encoding", "gzip"), ("content-digest", "sha-256=:x:"), ("etag", "\"1\"")] {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    let chain = chain(JSON_REWRITE, json!({ "response": { "edits": remove("/a") } })).await;
    let passed = exchange(&chain, facts("rewrite-5"), get("/", &[]), response).await;
    assert_eq!(passed.body, r#"{"b":2}"#);
    assert_eq!(passed.header("etag"), ["W/\"1\""]);
    assert!(!passed.response.headers.contains_key(header::CONTENT_ENCODING));
    assert!(!passed.response.headers.contains_key("content-digest"));
}

#[tokio::test]
async fn refuses_bad_configs() {
    let edits = |edits: Value| json!({ "request": { "edits": edits } });
    for (config, text) in [
        (edits(remove("a")), "is not a JSON pointer to a part of a document: it starts with `/`"),
        (edits(remove("")), "is not a JSON pointer to a part of a document"),
        (edits(remove("/a~2")), "`~` is written `~0` in a JSON pointer"),
        (edits(json!([{ "op": "move", "pointer": "/a" }])), "expected one of `set`, `remove`, `rename`"),
        (edits(json!([{ "op": "set", "pointer": "/a" }])), "missing field `value`"),
        (json!({ "request": { "not_json": "drop" } }), "expected `pass` or `refuse`"),
        (json!({ "requests": {} }), "unknown field `requests`"),
        (json!({ "request": { "edits": remove("/a"), "max_bytes": 2 << 20 } }), "`limits.body_bytes`"),
    ] {
        let error = refusal(JSON_REWRITE, config).await;
        assert!(error.contains(text), "{error}");
    }
}
