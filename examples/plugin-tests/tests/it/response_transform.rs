use plugin_tests::RESPONSE_TRANSFORM;
use serde_json::{Value, json};

use crate::harness::{Passed, answer, chain, example_chain, exchange, facts, get, refusal};

async fn transform(config: Value, status: u16, headers: &[(&str, &str)]) -> Passed {
    exchange(&chain(RESPONSE_TRANSFORM, config).await, facts("t-1"), get("/", &[]), answer(status, headers)).await
}

#[tokio::test]
async fn hides_what_the_upstream_runs_on() {
    let chain = example_chain(RESPONSE_TRANSFORM).await;
    let upstream =
        answer(200, &[("server", "nginx/1.2"), ("X-Powered-By", "PHP"), ("x-powered-by", "more"), ("etag", "a")]);
    let passed = exchange(&chain, facts("t-1"), get("/", &[]), upstream).await;
    assert_eq!(passed.status(), 200);
    assert_eq!(passed.response.headers.len(), 1);
    assert_eq!(passed.header("etag"), ["a"]);
    assert_eq!(passed.body, "upstream");
}

#[tokio::test]
async fn maps_server_errors_to_502() {
    let chain = example_chain(RESPONSE_TRANSFORM).await;
    for (upstream, client, cache) in
        [(500, 502, "no-store"), (503, 502, "no-store"), (599, 502, "no-store"), (404, 404, "max-age=10")]
    {
        let passed =
            exchange(&chain, facts("t-1"), get("/", &[]), answer(upstream, &[("cache-control", "public")])).await;
        assert_eq!(passed.status(), client);
        assert_eq!(passed.header("cache-control"), [cache]);
    }
}

#[tokio::test]
async fn renames_with_every_value_and_replaces_the_old() {
    let config = json!({ "rules": [{ "rename": { "X-Old": "x-new" } }] });
    let passed = transform(config, 200, &[("x-old", "1"), ("x-new", "stale"), ("x-old", "2")]).await;
    assert_eq!(passed.header("x-new"), ["1", "2"]);
    assert!(passed.header("x-old").is_empty());
}

#[tokio::test]
async fn rename_leaves_the_target_when_there_is_nothing_to_rename() {
    let config = json!({ "rules": [{ "rename": { "x-old": "x-new", "x-same": "x-same" } }] });
    let passed = transform(config, 200, &[("x-new", "kept"), ("x-same", "kept too")]).await;
    assert_eq!(passed.header("x-new"), ["kept"]);
    assert_eq!(passed.header("x-same"), ["kept too"]);
}

#[tokio::test]
async fn rules_match_the_status_of_the_upstream_and_not_each_others() {
    let config = json!({ "rules": [
        { "status": 404, "set_status": 500 },
        { "status": "5xx", "set": { "x-was": "error" } },
        { "status": "400-404", "set": { "x-was": "missing" } },
    ] });
    let passed = transform(config, 404, &[]).await;
    assert_eq!(passed.status(), 500);
    assert_eq!(passed.header("x-was"), ["missing"]);
}

#[tokio::test]
async fn ranges_include_both_ends() {
    let config =
        || json!({ "rules": [{ "status": "201-203", "set_status": 299 }, { "status": "205", "set_status": 299 }] });
    for (upstream, client) in [(200, 200), (201, 299), (203, 299), (204, 204), (205, 299)] {
        assert_eq!(transform(config(), upstream, &[]).await.status(), client);
    }
}

#[tokio::test]
async fn refuses_bad_configs() {
    let rule = |rule: Value| json!({ "rules": [rule] });
    for (config, text) in [
        (json!(null), "missing field `rules`"),
        (rule(json!({ "status": 999 })), "`status`: 999 is not 200 to 599"),
        (rule(json!({ "status": "1xx" })), "`status`: `1xx` is neither a range like `500-599` nor a class like `5xx`"),
        (rule(json!({ "status": "599-500" })), "`status`: `[the value of /rules/0/status]` is neither"),
        (rule(json!({ "status": "99999xx" })), "`status`: `[the value of /rules/0/status]` is neither"),
        (rule(json!({ "status": true })), "must be a number, a range like \"500-599\" or a class like \"5xx\""),
        (rule(json!({ "set_status": 101 })), "101 is not a status of 200 to 599"),
        (rule(json!({ "set": { "a b": "c" } })), "`a b` is not a header name"),
        (rule(json!({ "set": { "a": "b\nc" } })), "\"b\\nc\" is not a header value"),
        (rule(json!({ "remove": ["Content-Length"] })), "`content-length` is managed by the host"),
        (rule(json!({ "rename": { "a": "upgrade" } })), "`[the value of /rules/0/rename/a]` is managed by the host"),
        (rule(json!({ "add": {} })), "unknown field `add`"),
    ] {
        let error = refusal(RESPONSE_TRANSFORM, config).await;
        assert!(error.contains(text), "{error}");
    }
}
