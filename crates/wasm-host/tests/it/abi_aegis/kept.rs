//! What functions keep in the cache, and calls without a client.

use std::time::{Duration, SystemTime};

use wasm_host::{FailureClass, Grants, Limits, ManualClock, PluginEngine};

use super::{module, of};
use crate::common::{Logged, answered, ask, open, request, text};

const IMPORTS: &str = r#"
(import "env" "cache_get" (func $get (param i32 i32) (result i32)))
(import "env" "cache_set" (func $put (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "http_get" (func $http_get (param i32 i32) (result i32)))
(import "env" "http_post" (func $http_post (param i32 i32 i32 i32 i32 i32) (result i32)))"#;

/// Answers with what is kept; what is not, it keeps.
const KEEPS: &str = r#"(func (export "main") (result i32) (local $len i32)
  (local.set $len (call $get (i32.const 96) (i32.const 3)))
  (if (i32.eq (local.get $len) (i32.const -1))
    (then
      (call $is (call $put (i32.const 96) (i32.const 3) (i32.const 16) (i32.const 3) (i32.const 60)) (i32.const 0))
      (drop (call $status (i32.const 201))))
    (else (call $answer (local.get $len))))
  (drop (call $terminate (i32.const 200)))
  (i32.const 0))"#;

fn granted() -> Grants {
    Grants { cache: true, ..Grants::default() }
}

#[tokio::test]
async fn what_is_kept_is_found_until_its_time_is_over() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let engine = PluginEngine::builder().max_instances(16).clock(clock.clone()).build().unwrap();
    let plugin = of(&module(IMPORTS, KEEPS)).grants(granted()).load(&engine).await.unwrap();
    let say = async || text(answered(ask(&plugin, &[]).await).into_body()).await;
    assert_eq!([say().await, say().await, say().await], ["", "one", "one"]);
    clock.advance(Duration::from_secs(60));
    assert_eq!([say().await, say().await], ["", "one"]);
    // Another plugin has entries of its own.
    let other = wasm_host::Plugin::builder("other").bytes(module(IMPORTS, KEEPS)).grants(granted());
    let other = other.load(&engine).await.unwrap();
    assert_eq!(text(answered(ask(&other, &[]).await).into_body()).await, "");
    let cache = plugin.stats().cache.unwrap();
    assert_eq!((cache.hits, cache.misses), (3, 2));
}

#[tokio::test]
async fn keys_and_values_have_bounds() {
    let main = r#"(func (export "main") (result i32)
      (drop (memory.grow (i32.const 20)))
      (call $is (call $put (i32.const 1024) (i32.const 257) (i32.const 0) (i32.const 1) (i32.const 9)) (i32.const -1))
      (call $is (call $get (i32.const 1024) (i32.const 257)) (i32.const -1))
      (call $is (call $put (i32.const 1024) (i32.const 256) (i32.const 0) (i32.const 1) (i32.const 9)) (i32.const 0))
      (call $is (call $get (i32.const 1024) (i32.const 256)) (i32.const 1))
      (call $is (call $put (i32.const 96) (i32.const 3) (i32.const 0) (i32.const 1048577) (i32.const 9)) (i32.const -1))
      (call $is (call $put (i32.const 96) (i32.const 3) (i32.const 0) (i32.const 1048576) (i32.const 9)) (i32.const 0))
      (call $is (call $get (i32.const 96) (i32.const 3)) (i32.const 1048576))
      (call $is (call $put (i32.const 96) (i32.const 3) (i32.const 0) (i32.const 1) (i32.const -1)) (i32.const -1))
      (call $is (call $put (i32.const 128) (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 9)) (i32.const -1))
      (call $is (call $put (i32.const 96) (i32.const 3) (i32.const -1) (i32.const 1) (i32.const 9)) (i32.const -1))
      (call $is (call $put (i32.const 96) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 9)) (i32.const -1))
      (call $is (call $get (i32.const -1) (i32.const 3)) (i32.const -1))
      (i32.const 0))"#;
    let limits = Limits { cache_value: 2 << 20, ..Limits::default() };
    let plugin = of(&module(IMPORTS, main)).grants(granted()).limits(limits);
    let mut exchange = open([plugin.load(&Logged::default().engine()).await.unwrap()]);
    exchange.on_request(request(&[])).await;
    assert!(exchange.failures().is_empty(), "{:?}", exchange.failures());
}

#[tokio::test]
async fn without_a_grant_nothing_is_kept_and_the_operator_is_told() {
    let logged = Logged::default();
    let plugin = of(&module(IMPORTS, KEEPS)).load(&logged.engine()).await.unwrap();
    let mut exchange = open([plugin]);
    exchange.on_request(request(&[])).await;
    // Not told 0 where it has to be, the function traps.
    assert_eq!(exchange.failures()[0].class, FailureClass::Trap);
    let line = "test exchange-1 Warn host: cache: denied the use of it: `grants.cache` does not grant it";
    assert_eq!(logged.lines(), [line, line]);
}

#[tokio::test]
async fn a_call_that_fails_is_told_and_the_operator_knows_why() {
    let main = r#"(data (i32.const 300) "http://api.test/")
      (func (export "main") (result i32)
      (call $is (call $http_get (i32.const 300) (i32.const 16)) (i32.const -1))
      (call $is (call $http_get (i32.const 96) (i32.const 3)) (i32.const -1))
      (call $is (call $http_get (i32.const 65530) (i32.const 16)) (i32.const -1))
      (call $is (call $http_get (i32.const 128) (i32.const 2)) (i32.const -1))
      (call $is (call $http_post (i32.const 300) (i32.const 16) (i32.const 0) (i32.const -1) (i32.const 112) (i32.const 10))
        (i32.const -1))
      (call $is (call $http_post (i32.const 300) (i32.const 16) (i32.const 0) (i32.const 1) (i32.const 144) (i32.const 11))
        (i32.const -1))
      (i32.const 0))"#;
    let logged = Logged::default();
    let mut grants = Grants::default();
    grants.http.hosts = vec!["api.test".parse().unwrap()];
    grants.http.schemes = vec![http::uri::Scheme::HTTP];
    let guest = module(IMPORTS, main);
    let mut exchange = open([of(&guest).grants(grants).load(&logged.engine()).await.unwrap()]);
    exchange.on_request(request(&[])).await;
    assert!(exchange.failures().is_empty(), "{:?}", exchange.failures());
    let lines = logged.lines();
    assert_eq!(lines[0], "test exchange-1 Warn host: http: a call failed: unavailable: the host has no HTTP client");
    assert_eq!(lines.len(), 3, "{lines:?}");

    let logged = Logged::default();
    let mut exchange = open([of(&guest).load(&logged.engine()).await.unwrap()]);
    exchange.on_request(request(&[])).await;
    let denied = "test exchange-1 Warn host: http: denied the host `api.test`: `grants.http.hosts` does not grant it";
    assert_eq!(logged.lines()[0], denied);
}
