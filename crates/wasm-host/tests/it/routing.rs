//! What a plugin says about where a request goes, and what plugins need of each other.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use test_guests::{NATIVE_CHOOSE, NATIVE_SHARE};
use wasm_host::{ExchangeFacts, Grants, Plugin, PluginChain, RequestOutcome, Routing};

use crate::common::{Logged, engine, open, plugin, request, text};

fn granted() -> Grants {
    Grants { upstream_timeout: Some(Duration::from_secs(2)), upstream_retries: 3, ..Grants::default() }
}

/// How the request is to be sent, or the plugin's answer.
async fn routed(plugin: &Plugin, headers: &[(&str, &str)]) -> Result<Routing, String> {
    let mut exchange = open([plugin.clone()]);
    match exchange.on_request(request(headers)).await {
        RequestOutcome::Continue(_) => Ok(exchange.routing().clone()),
        RequestOutcome::Respond(response) => Err(text(response.into_body()).await),
        RequestOutcome::BodyFailed(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn sets_timeout_and_retries_within_the_grant() {
    let choose = plugin(NATIVE_CHOOSE).grants(granted()).load(engine()).await.unwrap();
    let routing = routed(&choose, &[("x-timeout-ms", "1500"), ("x-retries", "2")]).await.unwrap();
    assert_eq!((routing.timeout, routing.retries), (Some(Duration::from_millis(1500)), 2));
    assert!(routed(&choose, &[]).await.unwrap().is_default());
    for over in [("x-timeout-ms", "2001"), ("x-timeout-ms", "0"), ("x-retries", "4")] {
        assert_eq!(routed(&choose, &[over]).await.unwrap_err(), "out-of-range", "{over:?}");
    }
}

#[tokio::test]
async fn without_a_grant_nothing_is_set_and_the_log_says_why() {
    let logged = Logged::default();
    let choose = plugin(NATIVE_CHOOSE).load(&logged.engine()).await.unwrap();
    for header in [("x-timeout-ms", "1"), ("x-retries", "1"), ("x-service", "canary")] {
        assert_eq!(routed(&choose, &[header]).await.unwrap_err(), "denied");
    }
    assert_eq!(
        logged.lines(),
        [
            "test exchange-1 Warn host: routing: denied a timeout of the upstream: `grants.upstream_timeout` does not grant it",
            "test exchange-1 Warn host: routing: denied retries: `grants.upstream_retries` does not grant it",
            "test exchange-1 Warn host: routing: denied the service `canary`: `grants.upstreams` does not grant it",
        ]
    );
}

#[tokio::test]
async fn the_choices_of_a_failed_call_do_not_count() {
    let chosen = ExchangeFacts { services: Arc::from(["canary".into()]), ..ExchangeFacts::default() };
    let grants = Grants { upstreams: wasm_host::Names::All, ..granted() };
    let policy = wasm_host::FailurePolicy { default: wasm_host::FailureAction::Open, ..Default::default() };
    let limits = wasm_host::Limits { hostcalls: 5, ..Default::default() };
    let choose = plugin(NATIVE_CHOOSE).grants(grants).on_failure(policy).limits(limits).load(engine()).await.unwrap();
    let mut exchange = PluginChain::new([choose]).unwrap().exchange(chosen);
    let headers = [("x-service", "canary"), ("x-timeout-ms", "5"), ("x-retries", "1")];
    assert!(matches!(exchange.on_request(request(&headers)).await, RequestOutcome::Continue(_)));
    assert_eq!(exchange.failures().len(), 1, "the guest ran out of hostcalls after it chose");
    assert!(exchange.routing().is_default());
}

#[tokio::test]
async fn a_chain_needs_who_provides_what_its_plugins_require() {
    let named = async |name: &str, priority: i32| {
        Plugin::builder(name).file(NATIVE_SHARE).config(json!({ "name": name })).priority(priority)
    };
    let reader = named("reader", 10).await.requires(["trail"]).load(engine()).await.unwrap();
    let alone = PluginChain::new([reader.clone()]).unwrap_err();
    assert_eq!(
        alone.to_string(),
        "plugin `reader` requires the property `trail`, and no plugin before it in the chain provides it"
    );
    let late = named("late", 20).await.provides(["trail"]).load(engine()).await.unwrap();
    let behind = PluginChain::new([late, reader.clone()]).unwrap_err();
    assert_eq!(
        behind.to_string(),
        "plugin `reader` requires the property `trail`, and no plugin before it in the chain provides it: `late` does, \
         behind it (lower `priority` comes first)"
    );
    let early = named("early", 0).await.provides(["trail"]).load(engine()).await.unwrap();
    assert!(PluginChain::new([reader, early]).is_ok());
}
