//! Guests of our SDK for targets that make core modules: components only once they are loaded. On
//! `wasm32-unknown-unknown` the SDK brings what WASI brings elsewhere.

use serde_json::json;
use test_guests::{
    NATIVE_EDIT_ON_UNKNOWN, NATIVE_EDIT_ON_WASIP1, NATIVE_FILTER_ON_UNKNOWN, NATIVE_FILTER_ON_WASIP1,
    NATIVE_LEAK_ON_UNKNOWN, NATIVE_LEAK_ON_WASIP1, NATIVE_MISBEHAVE_ON_UNKNOWN, NATIVE_MISBEHAVE_ON_WASIP1,
};
use wasm_host::{FailureClass, Limits, Plugin, PluginEngine, PoolPolicy, Reuse};

use super::{edits, filters};
use crate::{
    common::{Logged, answered, engine, load, open, plugin, request, status},
    limits::failure,
};

/// A page of WebAssembly.
const PAGE: u64 = 64 << 10;

#[tokio::test]
pub(crate) async fn native_edit_on_unknown() {
    edits(NATIVE_EDIT_ON_UNKNOWN).await;
}

#[tokio::test]
pub(crate) async fn native_edit_on_wasip1() {
    edits(NATIVE_EDIT_ON_WASIP1).await;
}

#[tokio::test]
pub(crate) async fn native_filter_on_wasip1() {
    filters(&load(NATIVE_FILTER_ON_WASIP1).await).await;
}

/// A page for its stack, and one for the rest: a new instance whose memory grows is a slow one.
#[tokio::test]
pub(crate) async fn native_filter_on_unknown() {
    let filter = reused(NATIVE_FILTER_ON_UNKNOWN, engine(), Limits::default()).await;
    filters(&filter).await;
    let stats = filter.stats();
    assert_eq!((stats.idle, stats.idle_memory), (1, 2 * PAGE));
}

#[tokio::test]
pub(crate) async fn native_misbehave_on_wasip1() {
    names_a_panic(NATIVE_MISBEHAVE_ON_WASIP1).await;
}

async fn names_a_panic(file: &str) {
    let logged = Logged::default();
    let misbehaving = reused(file, &logged.engine(), Limits::default()).await;
    let (failure, _) = failure(&misbehaving, "panic").await;
    assert_eq!(failure.class, FailureClass::Trap);
    assert!(failure.message.contains("the plugin gave up"), "{}", failure.message);
    let lines = logged.lines();
    assert!(lines.iter().any(|line| line.ends_with("Warn stderr: the plugin gave up")), "{lines:?}");
}

/// Without WASI there is no stderr: the SDK sees to it that a panic is told all the same.
#[tokio::test]
pub(crate) async fn native_misbehave_on_unknown() {
    names_a_panic(NATIVE_MISBEHAVE_ON_UNKNOWN).await;
}

#[tokio::test]
pub(crate) async fn native_leak_on_wasip1() {
    hides_its_config(NATIVE_LEAK_ON_WASIP1).await;
}

#[tokio::test]
pub(crate) async fn native_leak_on_unknown() {
    hides_its_config(NATIVE_LEAK_ON_UNKNOWN).await;
}

/// The texts of a configuration do not get into the words of a panic.
async fn hides_its_config(file: &str) {
    let logged = Logged::default();
    let config = json!({ "secret": "hush-and-hush" });
    let leak = plugin(file).config(config).load(&logged.engine()).await.unwrap();
    let mut exchange = open([leak]);
    answered(exchange.on_request(request(&[("x-do", "panic")])).await);
    let told = format!("{} {}", exchange.failures()[0].message, logged.lines().join(" "));
    assert!(told.contains("it is ") && !told.contains("hush-and-hush"), "{told}");
}

/// What was refused changes nothing about what is there: the next allocations do not lie upon it.
#[tokio::test]
async fn memory_is_whole_after_it_was_refused() {
    let limits = Limits { memory: 1 << 20, ..Limits::default() };
    let misbehaving = reused(NATIVE_MISBEHAVE_ON_UNKNOWN, engine(), limits).await;
    assert_eq!(status(&misbehaving, &[("x-do", "too-much")]).await, 0);
}

#[tokio::test]
async fn memory_grows_by_what_is_asked_for_and_is_bounded() {
    let limits = Limits { memory: 8 << 20, ..Limits::default() };
    let misbehaving = reused(NATIVE_MISBEHAVE_ON_UNKNOWN, engine(), limits).await;
    let (failure, _) = failure(&misbehaving, "memory").await;
    assert_eq!(failure.class, FailureClass::Memory);
    assert!(failure.message.contains("`limits.memory` is 8388608 bytes"), "{}", failure.message);
}

async fn reused(file: &str, engine: &PluginEngine, limits: Limits) -> Plugin {
    plugin(file).limits(limits).pool(PoolPolicy::Reuse(Reuse::default())).load(engine).await.unwrap()
}
