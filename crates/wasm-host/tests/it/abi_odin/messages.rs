//! What comes of an output, phase by phase.

use http::{Request, Response, header};
use serde_json::{Value, json};
use wasm_host::{Body, FailureClass, Limits, Plugin};

use super::{ask_with, module, packed, wat};
use crate::common::{answered, engine, open, passed, request, response, text};

/// A plugin that always says this.
async fn says(output: &Value, options: Value) -> Plugin {
    says_within(output, options, Limits::default()).await
}

async fn says_within(output: &Value, options: Value, limits: Limits) -> Plugin {
    let output = output.to_string();
    let execute = format!(r#"(func (export "execute") (param i32 i32) (result i64) (i64.const {}))"#, packed(&output));
    wat(&module(&output, &execute)).abi_options(options).limits(limits).load(engine()).await.unwrap()
}

fn post() -> Request<Body> {
    let request = Request::post("/").header("content-length", "4").header("x-old", "1").header("x-old", "2");
    request.body(Body::from("sent")).unwrap()
}

#[tokio::test]
async fn a_request_is_edited() {
    let edit = json!({
        "modified": true,
        "continue": true,
        "response": {
            "statusCode": 500,
            "headers": { "x-old": ["new"], "X-Many": ["1", "2"], "x-none": null },
            "body": "other text",
        },
    });
    let plugin = says(&edit, json!({ "type": "request", "body_encoding": "text" })).await;
    let request = passed(ask_with(&plugin, post()).await);
    let values = |name: &str| request.headers().get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        (values("x-old"), values("x-many"), values("content-length")),
        (vec!["new"], vec!["1", "2"], vec!["10"])
    );
    assert_eq!(text(request.into_body()).await, "other text");
}

#[tokio::test]
async fn a_response_is_edited() {
    let edit = json!({
        "modified": true,
        "continue": true,
        "response": { "statusCode": 203, "headers": { "Server": [] }, "body": "b3RoZXI=" },
    });
    let mut exchange = open([says(&edit, json!({ "type": "response" })).await]);
    let request = passed(exchange.on_request(post()).await);
    assert_eq!(text(request.into_body()).await, "sent");
    let response = exchange.on_response(response(200)).await;
    assert_eq!((response.status().as_u16(), &response.headers()["content-length"]), (203, &"5".parse().unwrap()));
    assert!(!response.headers().contains_key("server"));
    assert_eq!(text(response.into_body()).await, "other");
}

#[tokio::test]
async fn what_is_not_modified_goes_on_as_it_is() {
    for output in [
        json!({ "continue": true, "response": { "statusCode": 500, "headers": { "x-old": [] }, "body": "AAAA" } }),
        json!({ "continue": true, "modified": true }),
        json!({ "continue": true, "modified": true, "response": {} }),
    ] {
        let mut exchange = open([says(&output, Value::Null).await]);
        let request = passed(exchange.on_request(post()).await);
        assert_eq!(request.headers().get_all("x-old").iter().count(), 2);
        assert_eq!(text(request.into_body()).await, "sent");
        let response = exchange.on_response(response(404)).await;
        assert_eq!(response.status(), 404);
        assert_eq!(text(response.into_body()).await, "response body");
    }
}

#[tokio::test]
async fn what_does_not_continue_is_answered() {
    for (output, status, kind, body) in [
        (json!({}), 403, "text/plain; charset=utf-8", ""),
        (json!({ "error": "no" }), 403, "text/plain; charset=utf-8", "no"),
        (json!({ "response": {} }), 403, "application/json", ""),
        (json!({ "response": { "statusCode": 429, "body": "e30=" } }), 429, "application/json", "{}"),
        (json!({ "response": { "statusCode": 200, "headers": { "content-type": ["a/b"] } } }), 200, "a/b", ""),
    ] {
        for of in ["request", "response"] {
            let mut exchange = open([says(&output, json!({ "type": of })).await]);
            let answer = if of == "request" {
                answered(exchange.on_request(post()).await)
            } else {
                passed(exchange.on_request(post()).await);
                exchange.on_response(response(200)).await
            };
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()[header::CONTENT_TYPE]),
                (status, &kind.parse().unwrap())
            );
            assert!(!answer.headers().contains_key("server"));
            assert_eq!(text(answer.into_body()).await, body, "{output} {of}");
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_the_plugins_failure() {
    let limits = Limits { body_bytes: 3, ..Limits::default() };
    let plugin = says_within(&json!({ "continue": true }), Value::Null, limits).await;
    let mut exchange = open([plugin]);
    assert_eq!(answered(exchange.on_request(post()).await).status(), 413);
    assert_eq!(exchange.failures()[0].class, FailureClass::BodyTooLarge);
}

#[tokio::test]
async fn a_stream_of_events_is_passed_by() {
    let blocks = says(&json!({}), json!({ "type": "response" })).await;
    let mut exchange = open([blocks]);
    passed(exchange.on_request(post()).await);
    let events = Response::builder().header(header::CONTENT_TYPE, "text/event-stream").body(Body::from("data: 1\n\n"));
    let answer = exchange.on_response(events.unwrap()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(text(answer.into_body()).await, "data: 1\n\n");
}

#[tokio::test]
async fn metadata_is_not_read_beyond_what_is_kept() {
    let output = format!(r#"{{"continue":true,"metadata":{{"a":[{}]}}}}"#, vec!["[0]"; 22_000].join(","));
    let text = format!(
        r#"(module (memory (export "memory") 4) (data (i32.const 1024) "{}")
            (func (export "execute") (param i32 i32) (result i64) (i64.const {})))"#,
        output.replace('"', "\\\""),
        packed(&output)
    );
    let plugin = wat(&text).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    answered(exchange.on_request(request(&[])).await);
    let failures = exchange.failures();
    assert_eq!(failures[0].class, FailureClass::InvalidOutput);
    assert!(failures[0].message.contains("`metadata` is more than 64 KiB"), "{failures:?}");
}

#[tokio::test]
async fn an_upgrade_has_no_body_to_take_as_a_whole() {
    let output = json!({ "continue": true, "modified": true, "response": { "statusCode": 101, "body": "Ym9keQ==" } });
    let plugin = says(&output, json!({ "type": "response" })).await;
    // To a response that has a body it says what cannot be said.
    for status in [101, 200] {
        let mut exchange = open([plugin.clone()]);
        passed(exchange.on_request(request(&[])).await);
        let mut upgrade = response(status);
        *upgrade.body_mut() = Body::empty();
        let answer = exchange.on_response(upgrade).await;
        assert_eq!(exchange.failures().is_empty(), status == 101, "{status}: {:?}", exchange.failures());
        assert_eq!(answer.status() == 101, status == 101);
    }
}
