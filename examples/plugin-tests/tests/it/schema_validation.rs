use http::HeaderValue;
use plugin_tests::SCHEMA_VALIDATION;
use serde_json::{Value, json};
use wasm_host::{PluginChain, PoolPolicy, Reuse};

use crate::harness::{Passed, builder, engine, example_config, get, refusal, send};

/// As the README says: instances are used again, so that schemas are compiled once.
async fn validator(config: Value) -> PluginChain {
    let plugin = builder(SCHEMA_VALIDATION, config).pool(PoolPolicy::Reuse(Reuse::default()));
    PluginChain::new([plugin.load(engine()).await.unwrap()]).unwrap()
}

async fn example() -> PluginChain {
    validator(example_config(SCHEMA_VALIDATION)).await
}

async fn query(chain: &PluginChain, query: &str) -> Passed {
    send(chain, get(&format!("/search?{query}"), &[("x-api-version", "1")])).await
}

/// Part and pointer of each violation.
fn pointers(passed: &Passed) -> Vec<(String, String)> {
    assert_eq!(passed.status(), 400);
    assert!(passed.upstream.is_none());
    assert_eq!(passed.header("content-type"), ["application/json"]);
    let json = passed.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| (text(&violation["in"]), text(&violation["pointer"])))
        .collect()
}

#[tokio::test]
async fn passes_what_fits() {
    let chain = example().await;
    for fits in [
        "page=1",
        "page=2&price=1.5&archived=false",
        "page=2&price=-3e2&tag=a",
        "page=1&tag=a&tag=b&tag=c&id=1&id=2",
        "page=1&%75ser=f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    ] {
        assert_eq!(query(&chain, fits).await.status(), 200, "{fits}");
    }
}

#[tokio::test]
async fn names_each_violation_with_its_pointer() {
    let chain = example().await;
    let passed = query(&chain, "page=0&tag=a&tag=B&archived=yes").await;
    assert_eq!(passed.json()["error"], "the request does not fit its schema");
    let mut pointers = pointers(&passed);
    pointers.sort();
    assert_eq!(
        pointers,
        [("query", "/archived"), ("query", "/page"), ("query", "/tag/1")].map(|(a, b)| (a.into(), b.into()))
    );
}

#[tokio::test]
async fn says_what_is_wrong_without_repeating_it() {
    let passed = query(&example().await, "page=s3cret").await;
    let violation = json!({ "in": "query", "pointer": "/page", "message": "value is not of type \"integer\"" });
    assert_eq!(passed.json()["violations"], json!([violation]));
}

#[tokio::test]
async fn refuses_what_does_not_fit_the_query_schema() {
    let chain = example().await;
    for (bad, pointer) in [
        ("", ""),
        ("page=1&other=1", ""),
        ("page=1.5", "/page"),
        ("page=", "/page"),
        ("page=%201", "/page"),
        ("page=1%0a", "/page"),
        ("page=0x10", "/page"),
        ("page=NaN", "/page"),
        ("page=1&page=2", "/page"),
        ("page=1&tag=a&tag=b&tag=c&tag=d", "/tag"),
        ("page=1&id=1&id=x", "/id/1"),
        ("page=1&user=somebody", "/user"),
    ] {
        let passed = query(&chain, bad).await;
        assert_eq!(pointers(&passed), [("query".into(), pointer.to_owned())], "{bad}");
    }
}

#[tokio::test]
async fn checks_headers() {
    let chain = example().await;
    let passed = send(&chain, get("/?page=1", &[])).await;
    assert_eq!(pointers(&passed), [("headers".into(), String::new())]);
    let passed = send(&chain, get("/?page=1", &[("X-Api-Version", "3"), ("x-depth", "6")])).await;
    assert_eq!(pointers(&passed).len(), 2);
    assert_eq!(send(&chain, get("/?page=1", &[("X-Api-Version", "2"), ("x-depth", "5")])).await.status(), 200);
}

#[tokio::test]
async fn joins_values_of_one_header_with_commas() {
    let config = json!({ "headers": { "properties": { "accept": { "const": "text/html, text/plain" } } } });
    let chain = validator(config).await;
    assert_eq!(send(&chain, get("/", &[("accept", "text/html"), ("accept", "text/plain")])).await.status(), 200);
    assert_eq!(send(&chain, get("/", &[("accept", "text/html")])).await.status(), 400);
}

#[tokio::test]
async fn checks_nothing_without_config() {
    assert_eq!(send(&validator(json!(null)).await, get("/?anything", &[])).await.status(), 200);
}

#[tokio::test]
async fn survives_hostile_requests() {
    let chain = example().await;
    let many = "other=1&".repeat(5_000);
    let different: String = (0..5_000).map(|number| format!("p{number}&")).collect();
    let long = format!("page=1&tag={}", "a".repeat(50_000) + "!");
    let digits = format!("page={}", "9".repeat(50_000));
    for hostile in ["page=%ff%fe&%00=%zz", "&&&===&%", "page[]=1&page[a]=2", &many, &different, &long, &digits] {
        assert_eq!(query(&chain, hostile).await.status(), 400, "{}", &hostile[..20.min(hostile.len())]);
    }
    let mut request = get("/?page=1", &[]);
    request.headers_mut().insert("x-api-version", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(send(&chain, request).await.status(), 400);
    assert_eq!(query(&chain, "page=1").await.status(), 200);
}

#[tokio::test]
async fn tells_of_twenty_violations_at_most() {
    let chain = validator(json!({ "query": { "additionalProperties": { "maxLength": 1 } } })).await;
    let all: String = (0..100).map(|number| format!("p{number}=xx&")).collect();
    assert_eq!(pointers(&query(&chain, &all).await).len(), 20);
}

#[tokio::test]
async fn patterns_take_linear_time() {
    let chain = validator(json!({ "query": { "properties": { "a": { "pattern": "^(a+)+$" } } } })).await;
    let hostile = format!("a={}!", "a".repeat(40_000));
    assert_eq!(query(&chain, &hostile).await.status(), 400);
}

#[tokio::test]
async fn stack_suffices_for_nested_schemas() {
    let schema =
        (0..28).fold(json!({ "const": "x" }), |inner, _| json!({ "anyOf": [{ "not": {} }, { "allOf": [inner] }] }));
    let chain = validator(json!({ "query": { "properties": { "a": schema } } })).await;
    assert_eq!(query(&chain, "a=x").await.status(), 200);
    assert_eq!(query(&chain, "a=y").await.status(), 400);
}

#[tokio::test]
async fn refuses_bad_configs() {
    for (config, text) in [
        (json!({ "body": {} }), "unknown field `body`"),
        (json!({ "query": { "type": "objekt" } }), "`query` is not a valid schema"),
        (json!({ "query": [] }), "`query` is not a valid schema"),
        (json!({ "headers": { "properties": { "a": { "pattern": "(" } } } }), "`headers` is not a valid schema"),
        (json!({ "query": { "properties": { "a": { "pattern": "(?=a)" } } } }), "`query` is not a valid schema"),
        (json!({ "query": { "$ref": "https://elsewhere.example/schema.json" } }), "`query` is not a valid schema"),
        (json!({ "query": { "$ref": "#/$defs/none" } }), "`query` is not a valid schema"),
        (
            json!({ "headers": { "required": ["X-Api-Version"] } }),
            "`headers`: `[the value of /headers/required/0]` matches no header, names are in lower case",
        ),
    ] {
        let error = refusal(SCHEMA_VALIDATION, config).await;
        assert!(error.contains(text), "{error}");
    }
}
