use http::HeaderValue;
use plugin_tests::API_KEY_AUTH;
use serde_json::json;

use crate::harness::{assert_closed, chain, example_chain, get, refusal, send};

#[tokio::test]
async fn passes_a_known_key_and_names_its_consumer() {
    let chain = example_chain(API_KEY_AUTH).await;
    let passed = send(&chain, get("/orders", &[("x-api-key", "demo-key")])).await;
    assert_eq!(passed.status(), 200);
    assert_eq!(passed.upstream_header("x-consumer"), ["demo"]);
    assert!(passed.upstream_header("x-api-key").is_empty());
}

#[tokio::test]
async fn refuses_absent_and_unknown_keys() {
    let chain = example_chain(API_KEY_AUTH).await;
    for headers in [&[][..], &[("x-api-key", "")], &[("x-api-key", "demo-kez")], &[("x-api-key", "demo-key2")]] {
        let passed = send(&chain, get("/", headers)).await;
        assert_eq!(passed.status(), 401, "{headers:?}");
        assert!(passed.upstream.is_none());
        assert_eq!(passed.header("www-authenticate"), ["ApiKey header=\"x-api-key\""]);
        assert_eq!(passed.header("content-type"), ["application/json"]);
        assert_eq!(passed.json(), json!({ "error": "a valid API key is needed" }));
    }
}

#[tokio::test]
async fn replaces_a_consumer_that_the_client_claims() {
    let chain = example_chain(API_KEY_AUTH).await;
    let headers = [("x-consumer", "admin"), ("X-Consumer", "root"), ("x-api-key", "demo-key")];
    let passed = send(&chain, get("/", &headers)).await;
    assert_eq!(passed.upstream_header("x-consumer"), ["demo"]);
}

#[tokio::test]
async fn removes_every_key_when_several_are_sent() {
    let chain = example_chain(API_KEY_AUTH).await;
    let passed = send(&chain, get("/", &[("x-api-key", "demo-key"), ("x-api-key", "other")])).await;
    assert!(passed.upstream_header("x-api-key").is_empty());
}

#[tokio::test]
async fn refuses_a_key_that_is_not_text() {
    let chain = example_chain(API_KEY_AUTH).await;
    let mut request = get("/", &[]);
    request.headers_mut().insert("x-api-key", HeaderValue::from_bytes(b"demo-\xff").unwrap());
    assert_eq!(send(&chain, request).await.status(), 401);
}

#[tokio::test]
async fn reads_the_configured_header() {
    let config = json!({
        "header": "Authorization",
        "keys": [{ "name": "a", "key": "sk-a" }, { "name": "b", "key": "sk-b" }],
    });
    let chain = chain(API_KEY_AUTH, config).await;
    let passed = send(&chain, get("/", &[("authorization", "sk-b")])).await;
    assert_eq!(passed.upstream_header("x-consumer"), ["b"]);
    assert_eq!(send(&chain, get("/", &[("x-api-key", "sk-b")])).await.status(), 401);
}

#[tokio::test]
async fn fails_closed_on_a_name_that_is_no_header_value() {
    let chain = chain(API_KEY_AUTH, json!({ "keys": [{ "name": "a\nb", "key": "sk-a" }] })).await;
    assert_closed(&send(&chain, get("/", &[("x-api-key", "sk-a")])).await);
}

#[tokio::test]
async fn refuses_bad_configs() {
    for (config, text) in [
        (json!(null), "a config that does not fit its schema: \"keys\" is a required property"),
        (
            json!({ "keys": [], "realm": "x" }),
            "a config that does not fit its schema: Additional properties are not allowed ('realm' was unexpected)",
        ),
        (
            json!({ "keys": [{ "name": "a", "key": "" }, { "name": 1, "key": "sk-secret" }] }),
            "a config that does not fit its schema: /keys/0/key: the value is shorter than 1 character; \
             /keys/1/name: the value is not of type \"string\"",
        ),
        (json!({ "header": "a b", "keys": [] }), "refuses its config: `header`: `a b` is not a header name"),
    ] {
        let error = refusal(API_KEY_AUTH, config).await;
        assert!(error.starts_with("plugin `api_key_auth` ") && error.ends_with(text), "{error}");
    }
}
