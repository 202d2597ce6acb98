//! Plugins of several ABIs in one chain.

use http::{HeaderValue, Request};
use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{Body, FailureAction, FailureClass, FailurePolicy, Plugin, PluginBuilder, Scope};

use crate::common::{engine, open, passed, response, text};

/// A plugin of each ABI that does what `x-scenario` says, the name in its place in the chain.
fn each_abi() -> impl Iterator<Item = PluginBuilder> {
    let plugins: [(&str, &str, Value); 5] = [
        ("1-native", guest::NATIVE_SCENARIO, Value::Null),
        ("2-odin", guest::ODIN_SCENARIO, Value::Null),
        ("3-sgl", guest::SGL_SCENARIO, Value::Null),
        ("4-blitz", guest::BLITZ_SCENARIO, Value::Null),
        ("5-aegis", guest::AEGIS_SCENARIO, json!({ "entry": "edit_request" })),
    ];
    (0..).zip(plugins).map(|(priority, (name, file, options))| {
        Plugin::builder(name).file(file).abi_options(options).priority(priority)
    })
}

async fn load(plugins: impl Iterator<Item = PluginBuilder>) -> Vec<Plugin> {
    let mut loaded = Vec::new();
    for plugin in plugins {
        loaded.push(plugin.load(engine()).await.unwrap());
    }
    loaded
}

fn request(scenario: &'static str) -> Request<Body> {
    Request::post("/path").header("x-scenario", scenario).body(Body::from("request body")).unwrap()
}

#[tokio::test]
async fn each_sees_what_the_one_before_it_left() {
    let mut exchange = open(load(each_abi()).await);
    let sent = passed(exchange.on_request(request("replace-body")).await);
    assert_eq!(text(sent.into_body()).await, "replaced");
    let mut answer = response(200);
    answer.headers_mut().insert("x-scenario", HeaderValue::from_static("set-status"));
    assert_eq!(exchange.on_response(answer).await.status(), 418);

    let mut called: Vec<&str> = Vec::new();
    let decisions = exchange.decisions();
    for decision in &decisions {
        if !called.contains(&&*decision.plugin) {
            called.push(&decision.plugin);
        }
    }
    assert_eq!(called, ["1-native", "2-odin", "3-sgl", "4-blitz", "5-aegis"]);
}

#[tokio::test]
async fn one_policy_holds_for_all() {
    let open_policy = || FailurePolicy::always(FailureAction::Open);
    let mut exchange = open(load(each_abi().map(|plugin| plugin.on_failure(open_policy()))).await);
    let sent = passed(exchange.on_request(request("trap")).await);
    assert_eq!(text(sent.into_body()).await, "request body");
    let classes: Vec<_> = exchange.failures().iter().map(|failure| failure.class).collect();
    assert_eq!(classes, [FailureClass::Trap; 5]);
}

#[tokio::test]
async fn a_plugin_that_an_exchange_is_not_for_is_not_called() {
    let elsewhere = Scope { services: vec!["elsewhere".into()], ..Scope::default() };
    let mut exchange = open(load(each_abi().map(|plugin| plugin.scope(elsewhere.clone()))).await);
    passed(exchange.on_request(request("trap")).await);
    assert_eq!(exchange.on_response(response(200)).await.status(), 200);
    assert!(exchange.decisions().is_empty() && exchange.failures().is_empty());
}
