//! Calls between requests.

use std::time::Duration;

use serde_json::json;
use test_guests::{NATIVE_EMPTY, NATIVE_TICK};
use wasm_host::{Error, FailureClass, Limits, Plugin, PluginBuilder, PoolPolicy, Reuse};

use crate::common::{Logged, answered, ask, engine, plugin, text};

fn ticking(act: &str) -> PluginBuilder {
    plugin(NATIVE_TICK)
        .config(json!({ "every_ms": 10, "act": act }))
        .limits(Limits { cpu: Duration::from_millis(100), wall: Duration::from_secs(20), ..Limits::default() })
        .pool(PoolPolicy::Reuse(Reuse::default()))
}

/// Waits until it has run that often, with its ticks under way.
async fn run_until(plugin: &Plugin, is_done: impl Fn() -> bool) {
    let ticks = tokio::spawn(plugin.run_ticks());
    while !is_done() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    ticks.abort();
    let _ = ticks.await;
}

pub(crate) async fn a_plugin_ticks_between_requests() {
    let logged = Logged::default();
    let plugin = ticking("").load(&logged.engine()).await.unwrap();
    assert_eq!(plugin.tick(), Some(Duration::from_millis(10)));
    run_until(&plugin, || logged.lines().len() >= 3).await;
    assert_eq!(logged.lines()[..3], ["test  Info : tick 1", "test  Info : tick 2", "test  Info : tick 3"]);
    // The instance that ticked is the one that serves.
    let served: u32 = text(answered(ask(&plugin, &[]).await).into_body()).await.parse().unwrap();
    assert!(served >= 3);
}

#[tokio::test]
async fn a_tick_has_the_limits_of_any_call_and_the_next_one_comes() {
    let logged = Logged::default();
    let plugin = ticking("loop").load(&logged.engine()).await.unwrap();
    run_until(&plugin, || plugin.stats().failures == [(FailureClass::CpuDeadline, 2)]).await;
    assert_eq!(logged.lines()[..2], ["test  Info : tick 1", "test  Info : tick 1"], "a fresh instance after a failure");
}

#[tokio::test]
async fn a_tick_may_fail() {
    let plugin = ticking("fail").load(engine()).await.unwrap();
    run_until(&plugin, || plugin.stats().failures == [(FailureClass::GuestError, 2)]).await;
}

#[tokio::test]
async fn a_tick_has_no_exchange() {
    let plugin = ticking("ask").load(engine()).await.unwrap();
    run_until(&plugin, || plugin.stats().failures == [(FailureClass::Hostcall, 1)]).await;
}

#[tokio::test]
async fn ticks_end_with_the_plugin() {
    let plugin = ticking("").load(engine()).await.unwrap();
    let ticks = tokio::spawn(plugin.run_ticks());
    drop(plugin);
    ticks.await.unwrap();
}

#[tokio::test]
async fn the_operator_may_say_how_often() {
    let plugin = ticking("").tick(Duration::from_secs(60)).load(engine()).await.unwrap();
    assert_eq!(plugin.tick(), Some(Duration::from_secs(60)));
    let too_often = ticking("").tick(Duration::from_millis(1)).load(engine()).await.unwrap_err();
    assert_eq!(too_often.to_string(), "plugin `test` ticks every 1ms, and the shortest time between two ticks is 10ms");
    let none = plugin_without_ticks().await;
    assert!(matches!(none, Error::NoTickPhase { .. }), "{none}");
}

async fn plugin_without_ticks() -> Error {
    plugin(NATIVE_EMPTY).tick(Duration::from_secs(1)).load(engine()).await.unwrap_err()
}
