use std::sync::Arc;

use http::Request;
use plugin_tests::MODEL_ROUTER;
use proptest::prelude::*;
use serde_json::{Value, json};
use wasm_host::{Body, ExchangeFacts, Grants, Names, PluginChain};

use crate::harness::{
    Passed, answer, assert_closed, builder, engine, example_config, exchange, facts, frames, get, post, refusal,
};
use scan::{Found, find_text};

#[path = "../../../plugins/model-router/src/scan.rs"]
mod scan;

async fn router(config: Value, granted: Names) -> PluginChain {
    let grants = Grants { upstreams: granted, ..Grants::default() };
    PluginChain::new([builder(MODEL_ROUTER, config).grants(grants).load(engine()).await.unwrap()]).unwrap()
}

async fn route(config: Value, request: Request<Body>) -> Passed {
    let services: Arc<[Arc<str>]> =
        ["small", "openai", "anthropic", "rest"].into_iter().map(Arc::from).collect::<Vec<_>>().into();
    let facts = ExchangeFacts { services, ..facts("router-1") };
    exchange(&router(config, Names::All).await, facts, request, answer(200, &[])).await
}

fn asks(body: &str) -> Request<Body> {
    post("application/json", frames([body.to_owned()]))
}

#[tokio::test]
async fn sends_each_model_to_its_service() {
    for (body, service) in [
        (r#"{"model":"gpt-4o-mini"}"#, "small"),
        (r#"{"model":"gpt-4o-mini-2024"}"#, "openai"),
        (r#"{"messages":[{"model":"claude-x","content":"\"}]"}],"n":1, "model" : "gpt-4o"}"#, "openai"),
        (r#"{"\u006dodel":"cl\u0061ude-3"}"#, "anthropic"),
    ] {
        let passed = route(example_config(MODEL_ROUTER), asks(body)).await;
        assert_eq!(passed.chosen.as_deref(), Some(service), "{body}");
        assert_eq!(passed.upstream_body, body);
    }
}

#[tokio::test]
async fn waits_for_no_more_than_the_model() {
    let config = json!({ "models": [{ "model": "gpt-*", "service": "openai" }], "peek": 20 });
    let body = format!(r#"{{"model":"gpt-4o","prompt":"{}"}}"#, "x".repeat(100_000));
    let passed = route(config, asks(&body)).await;
    assert_eq!(passed.chosen.as_deref(), Some("openai"));
    assert_eq!(passed.upstream_body, body);
}

#[tokio::test]
async fn refuses_what_it_does_not_know() {
    for (body, error) in [
        (r#"{"model":"llama"}"#.to_owned(), "no service has this model"),
        (r#"{"messages":[{"model":"gpt-4o"}]}"#.to_owned(), "the body is not JSON with a `model`"),
        ("[1]".to_owned(), "the body is not JSON with a `model`"),
        (r#"{"model":4}"#.to_owned(), "the body is not JSON with a `model`"),
        (r#"{"model":"gpt"#.to_owned(), "the body is not JSON with a `model`"),
        ("model=gpt-4o".to_owned(), "the body is not JSON with a `model`"),
        (
            format!(r#"{{"prompt":"{}","model":"gpt-4o"}}"#, "x".repeat(2000)),
            "the `model` is not among the first bytes of the body",
        ),
    ] {
        let passed = route(example_config(MODEL_ROUTER), asks(&body)).await;
        assert_eq!((passed.status(), passed.upstream.is_some()), (400, false), "{body}");
        assert_eq!(passed.json(), json!({ "error": error }));
    }
}

#[tokio::test]
async fn sends_the_rest_to_the_default() {
    let models = json!([{ "model": "gpt-*", "service": "openai" }]);
    for (config, service) in
        [(json!({ "models": models, "default": "rest" }), Some("rest")), (json!({ "models": models }), None)]
    {
        for body in [r#"{"model":"llama"}"#, "no json"] {
            let passed = route(config.clone(), asks(body)).await;
            assert_eq!((passed.status(), passed.chosen.as_deref()), (200, service));
        }
    }
}

#[tokio::test]
async fn a_request_without_a_body_passes() {
    let passed = route(example_config(MODEL_ROUTER), get("/v1/models", &[])).await;
    assert_eq!((passed.status(), passed.chosen), (200, None));
}

#[tokio::test]
async fn reads_a_packed_body() {
    let body = super::header_only::gzip(br#"{"model":"claude-3"}"#);
    let mut request = post("application/json", body.clone());
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    let passed = route(example_config(MODEL_ROUTER), request).await;
    assert_eq!(passed.chosen.as_deref(), Some("anthropic"));
    assert_eq!(passed.upstream_body, body);
}

#[tokio::test]
async fn fails_closed_without_the_grant() {
    let chain = router(example_config(MODEL_ROUTER), Names::None).await;
    let passed = exchange(&chain, facts("router-2"), asks(r#"{"model":"gpt-4o"}"#), answer(200, &[])).await;
    assert_closed(&passed);
    let mut exchange = chain.exchange(facts("router-3"));
    exchange.on_request(asks(r#"{"model":"gpt-4o"}"#)).await;
    let failure = &exchange.failures()[0];
    assert!(
        failure.message.ends_with("`grants.upstreams`, `upstream_timeout` or `upstream_retries` does not grant it"),
        "{failure}"
    );
}

#[tokio::test]
async fn refuses_bad_configs() {
    let model = |model: &str| json!({ "models": [{ "model": model, "service": "a" }] });
    for (config, text) in [
        (json!(null), "missing field `models`"),
        (model(""), "`model` is empty"),
        (model("a*b"), "has a `*` elsewhere than at its end"),
        (json!({ "models": [], "peek": 0 }), "`peek` is 0"),
        (json!({ "models": [], "default": "a", "unknown": "refuse" }), "`default` is never used"),
        (json!({ "models": [], "unknown": "drop" }), "expected `pass` or `refuse`"),
        (json!({ "models": [], "peek": 2 << 20 }), "`limits.body_bytes`"),
    ] {
        let error = refusal(MODEL_ROUTER, config).await;
        assert!(error.contains(text), "{error}");
    }
}

fn text(found: &str) -> Found {
    Found::Text(found.to_owned())
}

#[test]
fn only_the_key_at_the_top_counts() {
    for (json, expected) in [
        (r#"{"model":"a"}"#, text("a")),
        (r#" { "x" : [ 1 , { "model" : "b" } ] , "model" : "a" "#, text("a")),
        (r#"{"x":{"model":"b"},"y":"\"model\":\"c\"","model":"a\"\\\n"}"#, text("a\"\\\n")),
        (r#"{"x":"\\","model":"a"}"#, text("a")),
        (r#"{"a":null,"b":-1.5e+3,"c":true,"model":"a"}"#, text("a")),
        (r#"{"model":"a","model":"b"}"#, text("a")),
        (r#"{"models":"b","Model":"c"}"#, Found::Nothing),
        (r#"{"model":["a"]}"#, Found::Nothing),
        (r#"{"model":null}"#, Found::Nothing),
        (r#"{"model":"\ud800"}"#, Found::Nothing),
        ("{}", Found::Nothing),
        ("[\"model\",\"a\"]", Found::Nothing),
        (r#"{"a" 1}"#, Found::Nothing),
        (r#"{"a":}"#, Found::Nothing),
        (r#"{"a":1"#, Found::Cut),
        (r#"{"model":"a"#, Found::Cut),
        ("", Found::Cut),
        ("  ", Found::Cut),
    ] {
        assert_eq!(find_text(json.as_bytes(), "model"), expected, "{json}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from("\",\"model\":\"no\"")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop_oneof![Just("model".to_owned()), any::<String>()], inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn finds_what_a_parser_finds_and_nothing_in_a_part_of_it(document in json_value(), pretty in any::<bool>()) {
        let json = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let whole = match document.get("model").and_then(Value::as_str) {
            Some(model) => text(model),
            None => Found::Nothing,
        };
        let found = find_text(json.as_bytes(), "model");
        // What is no object may end in a word, which could go on.
        prop_assert!(found == whole || (!document.is_object() && found == Found::Cut), "{json}: {found:?}");
        for end in 0..json.len() {
            let part = find_text(&json.as_bytes()[..end], "model");
            prop_assert!(part == whole || part == Found::Cut, "{}: {part:?}", &json[..json.floor_char_boundary(end)]);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(b"{}[]\":,\\model 1".to_vec()), 0..64)) {
        find_text(&bytes, "model");
    }
}
