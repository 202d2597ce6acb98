//! A run with a fixed clock and a seed can be repeated exactly.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use test_guests::NATIVE_TELL_FACTS;
use wasm_host::{ExchangeFacts, ManualClock, Plugin, PluginChain, PluginEngine, PoolPolicy, Reuse, TlsFacts};

use crate::common::{answered, ask, engine, plugin, request, text};

const START: Duration = Duration::from_secs(1_767_225_600);

/// What three requests are answered, with three fresh instances.
async fn run(seed: u64) -> Vec<String> {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + START);
    let engine = PluginEngine::builder().max_instances(4).clock(clock).random_seed(seed).build().unwrap();
    let plugin = plugin(NATIVE_TELL_FACTS).load(&engine).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(told(&plugin).await);
    }
    answers
}

async fn told(plugin: &Plugin) -> String {
    text(answered(ask(plugin, &[]).await).into_body()).await
}

pub(crate) async fn a_run_can_be_repeated() {
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    assert_ne!(first[0], first[1], "each instance has numbers of its own");
    assert!(first.iter().all(|answer| answer.starts_with("wall 1767225600s, up 0ns, ")), "{first:?}");
}

#[tokio::test]
async fn a_manual_clock_moves_for_guests() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + START);
    let engine = PluginEngine::builder().max_instances(4).clock(clock.clone()).build().unwrap();
    let kept = PoolPolicy::Reuse(Reuse::default());
    let plugin = plugin(NATIVE_TELL_FACTS).pool(kept).load(&engine).await.unwrap();
    assert!(told(&plugin).await.starts_with("wall 1767225600s, up 0ns, "));
    clock.advance(Duration::from_millis(1500));
    assert!(told(&plugin).await.starts_with("wall 1767225601.5s, up 1.5s, "));
}

#[tokio::test]
async fn without_a_seed_no_two_runs_are_alike() {
    let plugin = plugin(NATIVE_TELL_FACTS).load(engine()).await.unwrap();
    let random = |answer: String| answer.split("random ").nth(1).unwrap().to_owned();
    assert_ne!(random(told(&plugin).await), random(told(&plugin).await));
}

#[tokio::test]
async fn the_connection_is_told() {
    let tls = TlsFacts { version: "TLSv1.3".into(), server_name: Some("example.test".into()), ..TlsFacts::default() };
    let facts = ExchangeFacts { tls: Some(Arc::new(tls)), ..ExchangeFacts::default() };
    let plugin = plugin(NATIVE_TELL_FACTS).load(engine()).await.unwrap();
    let mut exchange = PluginChain::new([plugin]).unwrap().exchange(facts);
    let told = text(answered(exchange.on_request(request(&[])).await).into_body()).await;
    assert!(told.contains(r#"tls Some(("TLSv1.3", None, Some("example.test"), None)), "#), "{told}");
}
