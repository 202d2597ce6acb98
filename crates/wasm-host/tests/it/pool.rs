//! Which instances are kept, and how many are at work.

use std::time::Duration;

use test_guests::{NATIVE_COUNT, NATIVE_MANY_ELEMENTS, NATIVE_MISBEHAVE, NATIVE_NOTE_COMPLETION, NATIVE_SHARE};
use wasm_host::{Limits, Plugin, PoolPolicy, Reuse};

use crate::common::{answered, ask, engine, open, passed, plugin, request, response, status, text};

async fn reusing(file: &str, reuse: Reuse, limits: Limits) -> Plugin {
    let config = serde_json::json!({ "name": "p" });
    plugin(file).config(config).pool(PoolPolicy::Reuse(reuse)).limits(limits).load(engine()).await.unwrap()
}

async fn count(plugin: &Plugin) -> String {
    text(answered(ask(plugin, &[]).await).into_body()).await
}

#[tokio::test]
async fn one_instance_serves_all_phases_of_an_exchange() {
    let plugin = plugin(NATIVE_SHARE).config(serde_json::json!({ "name": "s" })).load(engine()).await.unwrap();
    let mut exchange = open([plugin.clone()]);
    passed(exchange.on_request(request(&[])).await);
    assert_eq!(plugin.stats().active, 1);
    exchange.on_response(response(200)).await;
    assert_eq!(plugin.stats().active, 0, "nothing comes after its response phase");
    assert_eq!(plugin.stats().pool_misses, 1);
}

#[tokio::test]
async fn an_instance_is_free_once_its_last_phase_is_over() {
    let plugin = reusing(NATIVE_COUNT, Reuse::default(), Limits::default()).await;
    let mut exchange = open([plugin.clone()]);
    answered(exchange.on_request(request(&[])).await);
    let stats = plugin.stats();
    assert_eq!((stats.active, stats.idle), (0, 1));
}

#[tokio::test]
async fn an_instance_serves_as_often_as_allowed() {
    let plugin = reusing(NATIVE_COUNT, Reuse { max_uses: Some(3), ..Reuse::default() }, Limits::default()).await;
    let mut served = Vec::new();
    for _ in 0..5 {
        served.push(count(&plugin).await);
    }
    assert_eq!(served, ["1", "2", "3", "1", "2"]);
}

#[tokio::test]
async fn an_instance_is_not_kept_beyond_its_age_or_memory() {
    let old = Reuse { max_age: Some(Duration::ZERO), ..Reuse::default() };
    let fat = Reuse { max_memory: Some(1), ..Reuse::default() };
    let none = Reuse { max_idle: 0, ..Reuse::default() };
    for reuse in [old, fat, none] {
        let plugin = reusing(NATIVE_COUNT, reuse, Limits::default()).await;
        assert_eq!([count(&plugin).await, count(&plugin).await], ["1", "1"]);
        assert_eq!(plugin.stats().idle, 0);
    }
}

#[tokio::test]
async fn a_failed_instance_is_not_kept() {
    // One is needed again in the response phase, the other is not.
    for file in [NATIVE_MISBEHAVE, NATIVE_MANY_ELEMENTS] {
        let plugin = reusing(file, Reuse::default(), Limits::default()).await;
        assert_eq!(plugin.stats().idle, 1, "the one that was configured on load");
        assert_eq!(status(&plugin, &[("x-do", "trap")]).await, 500);
        assert_eq!(plugin.stats().idle, 0);
    }
}

#[tokio::test]
async fn an_instance_that_hoards_what_is_the_hosts_is_not_kept() {
    let plugin = reusing(NATIVE_MISBEHAVE, Reuse::default(), Limits::default()).await;
    assert_eq!(status(&plugin, &[("x-do", "hoard")]).await, 0);
    let mut exchange = open([plugin.clone()]);
    passed(exchange.on_request(request(&[("x-do", "hoard")])).await);
    exchange.on_response(response(200)).await;
    assert_eq!(plugin.stats().idle, 0);
}

/// Whether the guest waits or computes.
#[tokio::test]
async fn a_dropped_call_discards_its_instance() {
    let hour = Duration::from_secs(3600);
    let plugin =
        reusing(NATIVE_MISBEHAVE, Reuse::default(), Limits { cpu: hour, wall: hour, ..Limits::default() }).await;
    for what in ["sleep", "loop"] {
        let mut exchange = open([plugin.clone()]);
        let call = exchange.on_request(request(&[("x-do", what)]));
        assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err(), "{what}");
        drop(exchange);
        let stats = plugin.stats();
        assert_eq!((stats.active, stats.idle), (0, 0), "{what}");
        assert_eq!(status(&plugin, &[]).await, 0, "{what}");
    }
}

#[tokio::test]
async fn a_dropped_exchange_discards_its_instances() {
    let plugin = reusing(NATIVE_NOTE_COMPLETION, Reuse::default(), Limits::default()).await;
    let second = reusing(NATIVE_SHARE, Reuse::default(), Limits::default()).await;
    let mut exchange = open([plugin.clone(), second.clone()]);
    passed(exchange.on_request(request(&[])).await);
    assert_eq!(second.stats().active, 1);
    drop(exchange);
    let stats = second.stats();
    assert_eq!((stats.active, stats.idle), (0, 0));
}

#[tokio::test]
async fn concurrency_is_bounded_with_a_bounded_queue() {
    let limits = Limits { concurrency: 1, queue: 1, wall: Duration::from_secs(20), ..Limits::default() };
    let plugin = reusing(NATIVE_SHARE, Reuse::default(), limits).await;
    let mut holder = open([plugin.clone()]);
    passed(holder.on_request(request(&[])).await);

    let queued = tokio::spawn({
        let plugin = plugin.clone();
        async move { status(&plugin, &[]).await }
    });
    while plugin.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let mut refused = open([plugin.clone()]);
    assert_eq!(answered(refused.on_request(request(&[])).await).status(), 503);
    assert_eq!(
        refused.failures()[0].to_string(),
        "saturated: 1 instances at work (`limits.concurrency`) and 1 exchanges waiting (`limits.queue`)"
    );

    holder.on_response(response(200)).await;
    assert_eq!(queued.await.unwrap(), 0, "who waited is served");
}

#[tokio::test]
async fn waiting_ends_with_the_wall_clock() {
    let limits = Limits { concurrency: 1, wall: Duration::from_millis(300), ..Limits::default() };
    let plugin = reusing(NATIVE_SHARE, Reuse::default(), limits).await;
    let mut holder = open([plugin.clone()]);
    passed(holder.on_request(request(&[])).await);
    let mut waits = open([plugin.clone()]);
    assert_eq!(answered(waits.on_request(request(&[])).await).status(), 503);
    assert_eq!(waits.failures()[0].to_string(), "saturated: no instance was free within 300ms");
}

#[tokio::test]
async fn an_idle_instance_makes_room_for_a_busy_one() {
    let engine = wasm_host::PluginEngine::builder().max_instances(2).build().unwrap();
    let kept = PoolPolicy::Reuse(Reuse::default());
    let mut plugins = Vec::new();
    for _ in 0..3 {
        plugins.push(plugin(NATIVE_COUNT).pool(kept.clone()).load(&engine).await.unwrap());
    }
    for plugin in &plugins {
        assert_eq!(status(plugin, &[]).await, 200);
    }
    assert_eq!(plugins.iter().map(|plugin| plugin.stats().idle).sum::<u64>(), 2);
}

#[tokio::test]
async fn a_full_engine_is_saturated_and_recovers() {
    let engine = wasm_host::PluginEngine::builder().max_instances(2).build().unwrap();
    let config = serde_json::json!({ "name": "p" });
    let plugin = plugin(NATIVE_SHARE).config(config).load(&engine).await.unwrap();
    let mut holders = Vec::new();
    for _ in 0..2 {
        let mut exchange = open([plugin.clone()]);
        passed(exchange.on_request(request(&[])).await);
        holders.push(exchange);
    }
    let mut refused = open([plugin.clone()]);
    assert_eq!(answered(refused.on_request(request(&[])).await).status(), 503);
    assert_eq!(refused.failures()[0].class, wasm_host::FailureClass::Saturated);
    holders.clear();
    assert_eq!(status(&plugin, &[]).await, 0);
}
