use plugin_tests::REDACT;
use serde_json::{Value, json};

use crate::harness::{
    Passed, answer, chain, content, example_chain, exchange, facts, frames, get, post, refusal, send,
};

const NDJSON: &str = "application/x-ndjson";

async fn masked(config: Value, lines: &str) -> String {
    let lines = frames([lines.to_owned()]);
    exchange(&chain(REDACT, config).await, facts("redact-1"), get("/", &[]), content(NDJSON, lines)).await.body
}

async fn by_key(lines: &str) -> String {
    masked(json!({ "keys": ["password"], "mask": "*" }), lines).await
}

async fn by_pattern(lines: &str) -> String {
    masked(json!({ "patterns": [{ "prefix": "sk-" }, "email"], "mask": "*" }), lines).await
}

#[tokio::test]
async fn masks_values_by_key_at_any_depth() {
    for (line, expected) in [
        (r#"{"password":"a"}"#, r#"{"password":"*"}"#),
        (r#"{"PassWord":"a","b":"c"}"#, r#"{"PassWord":"*","b":"c"}"#),
        (r#"[{"a":[{"password":"x"}]},"password"]"#, r#"[{"a":[{"password":"*"}]},"password"]"#),
        (r#"{"password":{"a":["b",1,{"c":"d"}]},"e":"f"}"#, r#"{"password":{"a":["*","*",{"c":"*"}]},"e":"f"}"#),
        (r#"{"password":-1.5e3,"n":2}"#, r#"{"password":"*","n":2}"#),
        (r#"{"password":null,"a":"b"}"#, r#"{"password":null,"a":"b"}"#),
        (r#"{"pass\u0077ord":"a"}"#, r#"{"pass\u0077ord":"*"}"#),
        (r#"{"password":"a","password":"b"}"#, r#"{"password":"*","password":"*"}"#),
        (r#"{"a":"password","b":"\"}"}"#, r#"{"a":"password","b":"\"}"}"#),
    ] {
        assert_eq!(by_key(line).await, expected, "{line}");
    }
}

#[tokio::test]
async fn masks_texts_by_pattern() {
    for (text, expected) in [
        ("use sk-abc_1-2, please", "use *, please"),
        ("sk-1 sk-2", "* *"),
        ("task-1 and sk- alone", "task-1 and sk- alone"),
        ("mail ada.l+x@example.co.uk.", "mail *."),
        ("a@b.c,d@e.f", "*,*"),
        ("a@b @c.d e@", "a@b @c.d e@"),
        ("key=sk-1@example.com", "key=*"),
    ] {
        let line = json!({ "text": text }).to_string();
        assert_eq!(by_pattern(&line).await, json!({ "text": expected }).to_string(), "{text}");
    }
}

#[tokio::test]
async fn an_escaped_secret_is_found() {
    assert_eq!(by_pattern(r#"{"a":"\u0073k-1 \n"}"#).await, r#"{"a":"* \n"}"#);
}

#[tokio::test]
async fn all_but_secrets_stays_as_it_was() {
    let line = "\t{ \"z\" : 1.10, \"a\":12345678901234567890123,\"password\" :\"x\" , \"e\":\"\\u00e9/\\/\" }  \r\n";
    assert_eq!(by_key(line).await, line.replace("\"x\"", "\"*\""));
    let untouched = "{ \"b\":1, \"a\":1.0 }\r\n\n  \n[]\nlast";
    assert_eq!(masked(json!({ "keys": ["password"], "not_json": "pass" }), untouched).await, untouched);
}

#[tokio::test]
async fn line_ends_stay_and_a_last_line_needs_none() {
    let lines = "{\"password\":1}\r\n\n{\"password\":2}\n{\"password\":3}";
    assert_eq!(by_key(lines).await, "{\"password\":\"*\"}\r\n\n{\"password\":\"*\"}\n{\"password\":\"*\"}");
}

#[tokio::test]
async fn what_is_not_json_is_dropped_or_passes_masked() {
    let lines = "{\"password\":\n# sk-1 a@b.c\n{}\n";
    let config = |not_json| json!({ "keys": ["password"], "patterns": [{ "prefix": "sk-" }], "not_json": not_json });
    assert_eq!(masked(config("drop"), lines).await, "{}\n");
    assert_eq!(masked(config("pass"), lines).await, "{\"password\":\n# [redacted] a@b.c\n{}\n");
}

#[tokio::test]
async fn the_depth_of_a_line_does_not_matter() {
    let (open, close) = ("[".repeat(20_000), "]".repeat(20_000));
    let line = format!("{open}{{\"password\":1}}{close}\n");
    assert_eq!(by_key(&line).await, line.replace(":1", ":\"*\""));
}

#[tokio::test]
async fn lines_may_come_in_any_pieces() {
    let lines = "{\"password\":\"é\"}\r\n{\"é\":\"sk-1\"}\n";
    let chain = example_chain(REDACT).await;
    for size in 1..lines.len() {
        let body = frames(lines.as_bytes().chunks(size).map(<[u8]>::to_vec));
        let passed = exchange(&chain, facts("redact-2"), get("/", &[]), content(NDJSON, body)).await;
        assert_eq!(passed.body, "{\"password\":\"[redacted]\"}\r\n{\"é\":\"[redacted]\"}\n", "{size}");
    }
}

async fn both(config: Value) -> Passed {
    let secret = "{\"password\":1}\n";
    exchange(&chain(REDACT, config).await, facts("redact-3"), post(NDJSON, secret), content(NDJSON, secret)).await
}

#[tokio::test]
async fn masks_the_directions_it_is_told() {
    let (secret, masked) = ("{\"password\":1}\n", "{\"password\":\"[redacted]\"}\n");
    for (directions, upstream, client) in [
        (json!(["request", "response"]), masked, masked),
        (json!(["request"]), masked, secret),
        (json!(["response"]), secret, masked),
        (json!([]), secret, secret),
    ] {
        let passed = both(json!({ "keys": ["password"], "directions": directions })).await;
        assert_eq!((&passed.upstream_body[..], &*passed.body), (upstream.as_bytes(), client), "{directions}");
    }
}

#[tokio::test]
async fn other_media_types_pass() {
    let chain = example_chain(REDACT).await;
    let passed = send(&chain, post("application/json", "{\"password\":1}")).await;
    assert_eq!(passed.upstream_body, "{\"password\":1}");
    let passed = exchange(&chain, facts("redact-4"), get("/", &[]), answer(200, &[])).await;
    assert_eq!(passed.body, "upstream");
}

#[tokio::test]
async fn refuses_bad_configs() {
    for (config, text) in [
        (json!(null), "neither `keys` nor `patterns` says what a secret is"),
        (json!({ "patterns": ["phone"] }), "expected `prefix` or `email`"),
        (json!({ "patterns": [{ "prefix": "" }] }), "a `prefix` is empty"),
        (json!({ "keys": ["a"], "directions": ["both"] }), "expected `request` or `response`"),
        (json!({ "keys": ["a"], "not_json": "keep" }), "expected `pass` or `drop`"),
        (json!({ "keys": ["a"], "content_types": ["json"] }), "is not a media type"),
        (json!({ "key": ["a"] }), "unknown field `key`"),
    ] {
        let error = refusal(REDACT, config).await;
        assert!(error.contains(text), "{error}");
    }
}
