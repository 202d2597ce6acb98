//! Rate limits: exact for all instances, shared as granted, and bounded whatever a guest asks for.

use std::{num::NonZeroU32, time::Duration};

use serde_json::json;
use test_guests::NATIVE_RATE_LIMIT;
use wasm_host::{
    BoxFuture, FailureClass, Grants, Limits, Plugin, PluginBuilder, PluginEngine, RateDecision, RateLimitGrant,
    RateLimitId, RateLimiter, RateLimiterUnavailable, RateRule,
};

use crate::common::{Logged, answered, ask, engine, open, request, status, text};

const DAY: u32 = 86_400_000;

/// Under a name of its own: the tests share the engine, and with it the limits.
fn limiting(name: &str, config: serde_json::Value) -> PluginBuilder {
    let grants = Grants { rate_limit: RateLimitGrant::Own, ..Grants::default() };
    Plugin::builder(name).file(NATIVE_RATE_LIMIT).config(config).grants(grants)
}

async fn told(plugin: &Plugin, headers: &[(&str, &str)]) -> String {
    text(answered(ask(plugin, headers).await).into_body()).await
}

async fn admitted(plugin: &Plugin, times: usize) -> usize {
    let asking: Vec<_> = (0..times)
        .map(|_| {
            let plugin = plugin.clone();
            tokio::spawn(async move { status(&plugin, &[("x-key", "k")]).await })
        })
        .collect();
    let mut admitted = 0;
    for asked in asking {
        admitted += usize::from(asked.await.unwrap() == 200);
    }
    admitted
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_together_admit_the_limit() {
    for (name, config) in
        [("many-window", json!({ "window": [50, DAY] })), ("many-bucket", json!({ "bucket": [50, 1, DAY / 10] }))]
    {
        let plugin = limiting(name, config).load(engine()).await.unwrap();
        assert_eq!(admitted(&plugin, 200).await, 50, "{name}");
    }
}

#[tokio::test]
async fn plugins_share_a_limit_by_grant() {
    let config = || json!({ "window": [3, DAY] });
    let shared = || Grants { rate_limit: RateLimitGrant::Shared("both".into()), ..Grants::default() };
    let one = limiting("one", config()).grants(shared()).load(engine()).await.unwrap();
    let other = limiting("other", config()).grants(shared()).load(engine()).await.unwrap();
    let alone = limiting("both", config()).load(engine()).await.unwrap();
    assert_eq!([admitted(&one, 2).await, admitted(&other, 2).await, admitted(&alone, 4).await], [2, 1, 3]);
}

#[tokio::test]
async fn a_plugin_that_is_loaded_again_finds_its_limit() {
    let load = async || limiting("reloaded", json!({ "window": [3, DAY] })).load(engine()).await.unwrap();
    assert_eq!(admitted(&load().await, 2).await, 2);
    assert_eq!(admitted(&load().await, 2).await, 1);
}

#[tokio::test]
async fn a_flood_of_keys_ends_at_the_quota() {
    let flood = async |name: &str, config, keys: usize| {
        let limits = Limits {
            rate_limit_keys: keys,
            hostcalls: 20_000,
            cpu: Duration::from_secs(20),
            wall: Duration::from_secs(30),
            ..Limits::default()
        };
        let plugin = limiting(name, config).limits(limits).load(engine()).await.unwrap();
        let first = told(&plugin, &[("x-flood", "10000")]).await;
        (first, told(&plugin, &[("x-key", "flood-0")]).await, told(&plugin, &[("x-key", "new")]).await)
    };
    let refused = "rate limit not checked: as many keys are in use as `limits.rate_limit_keys` allows, or 100 rules";
    let (flooded, known, new) = flood("flood-bucket", json!({ "bucket": [2, 1, DAY] }), 500).await;
    assert_eq!(flooded, format!(r#"{{"admitted, 1 left": 500, "{refused}": 9500}}"#));
    assert_eq!((&*known, &*new), ("admitted, 0 left", refused), "a key in use goes on");
    let (flooded, ..) = flood("flood-window", json!({ "window": [10_000, DAY] }), 500).await;
    assert_eq!(flooded, format!(r#"{{"admitted, 9999 left": 5, "{refused}": 9995}}"#), "a long log weighs more");
    let (flooded, ..) = flood("flood-whole", json!({ "window": [10_000, DAY] }), 99).await;
    assert_eq!(flooded, format!(r#"{{"{refused}": 10000}}"#));
}

#[tokio::test]
async fn a_flood_of_rules_ends_at_a_hundred() {
    let plugin = limiting("flood-rules", json!({ "bucket": [1, 1, DAY] })).load(engine()).await.unwrap();
    assert_eq!(told(&plugin, &[("x-key", "k"), ("x-rules", "30")]).await, "admitted, 29 left");
    let patient = json!({ "bucket": [1, 1, 3_600_000] });
    let plugin = limiting("flood-rules-2", patient).load(engine()).await.unwrap();
    assert!(told(&plugin, &[("x-key", "k"), ("x-rules", "300")]).await.ends_with("or 100 rules"));
}

#[tokio::test]
async fn refuses_absurd_rules_keys_and_costs() {
    for (number, (config, refused)) in [
        (json!({ "window": [0, 1] }), "`limit` is 1 to 10,000"),
        (json!({ "window": [u32::MAX, 1] }), "`limit` is 1 to 10,000"),
        (json!({ "window": [1, 0] }), "`window-ms` is 1 to 2,678,400,000, which is 31 days"),
        (json!({ "window": [1, u32::MAX] }), "`window-ms` is 1 to 2,678,400,000, which is 31 days"),
        (json!({ "bucket": [0, 1, 1] }), "`capacity` is 1 to 1,000,000"),
        (json!({ "bucket": [1, 0, 1] }), "`refill` is 1 to 1,000,000"),
        (json!({ "bucket": [u32::MAX, u32::MAX, u32::MAX] }), "`capacity` is 1 to 1,000,000"),
        (json!({ "bucket": [1, 1, 0] }), "`period-ms` is 1 to 2,678,400,000, which is 31 days"),
        (json!({ "bucket": [1, 1_000_000, 1] }), "a token comes back in a microsecond or more"),
        (json!({ "bucket": [1_000_000, 1, DAY] }), "a bucket fills within 31 days"),
    ]
    .into_iter()
    .enumerate()
    {
        let plugin = limiting(&format!("absurd-{number}"), config).load(engine()).await.unwrap();
        assert_eq!(told(&plugin, &[("x-key", "k")]).await, format!("rate limit not checked: {refused}"));
    }
    let plugin = limiting("absurd-keys", json!({ "window": [5, DAY] })).load(engine()).await.unwrap();
    for (header, value, refused) in [
        ("x-key", "", "a key has 1 to 512 bytes"),
        ("x-odd-key", "long", "a key has 1 to 512 bytes"),
        ("x-cost", "0", "the cost is 0, or more than the rule ever admits at once"),
        ("x-cost", "6", "the cost is 0, or more than the rule ever admits at once"),
        ("x-cost", "4294967295", "the cost is 0, or more than the rule ever admits at once"),
    ] {
        let key = if header == "x-cost" { "k" } else { "" };
        let told = told(&plugin, &[("x-key", key), (header, value)][usize::from(header == "x-key")..]).await;
        assert_eq!(told, format!("rate limit not checked: {refused}"), "{header}: {value}");
    }
    assert_eq!(told(&plugin, &[("x-odd-key", "odd"), ("x-cost", "5")]).await, "admitted, 0 left");
}

/// What a store that is away does.
#[derive(Clone, Copy, Debug)]
enum Away {
    Hangs,
    Refuses,
}

impl RateLimiter for Away {
    fn check<'a>(
        &'a self,
        _: RateLimitId<'a>,
        _: RateRule,
        _: NonZeroU32,
    ) -> BoxFuture<'a, Result<RateDecision, RateLimiterUnavailable>> {
        match self {
            Self::Hangs => Box::pin(std::future::pending()),
            Self::Refuses => Box::pin(async { Err(RateLimiterUnavailable("connection refused".into())) }),
        }
    }
}

#[tokio::test]
async fn a_slow_store_is_waited_for_until_the_wall_deadline() {
    let engine = PluginEngine::builder().max_instances(4).rate_limiter(Away::Hangs).build().unwrap();
    let limits = Limits { wall: Duration::from_millis(100), cpu: Duration::from_secs(20), ..Limits::default() };
    let plugin = limiting("p", json!({ "window": [1, DAY] })).limits(limits).load(&engine).await.unwrap();
    let mut exchange = open([plugin]);
    assert_eq!(answered(exchange.on_request(request(&[("x-key", "k")])).await).status(), 504);
    assert_eq!(exchange.failures().first().unwrap().class, FailureClass::WallDeadline);
}

#[tokio::test]
async fn a_store_that_is_away_is_told_to_guest_and_operator() {
    let logged = Logged::default();
    let engine = PluginEngine::builder().max_instances(4).rate_limiter(Away::Refuses).log_sink(logged.clone());
    let engine = engine.build().unwrap();
    let plugin = limiting("p", json!({ "window": [1, DAY] })).load(&engine).await.unwrap();
    assert_eq!(told(&plugin, &[("x-key", "k")]).await, "rate limit not checked: limits cannot be counted now");
    assert_eq!(logged.lines(), ["p exchange-1 Warn host: rate-limit: unavailable: connection refused"]);
}
