//! What only AEGIS guests do: the shared buffer, WAF modules, bot detectors.

mod bot;
mod edge;
mod files;
mod garbage;
mod kept;
mod verdicts;
mod waf;

use bytes::Bytes;
use serde_json::Value;
use test_guests as guest;
use wasm_host::{Grants, Plugin, PluginBuilder};

use crate::common::{engine, load, passed, plugin, request, status};

/// The start of every function in the text format: hostcalls, a memory, and what a function uses to tell what it got.
const PRELUDE: &str = r#"
(import "env" "log" (func $log (param i32 i32)))
(import "env" "get_shared_buffer" (func $buffer (param i32 i32 i32) (result i32)))
(import "env" "request_get_method" (func $method (result i32)))
(import "env" "request_get_uri" (func $uri (result i32)))
(import "env" "request_get_header" (func $header (param i32 i32) (result i32)))
(import "env" "request_get_header_names" (func $names (result i32)))
(import "env" "request_terminate" (func $terminate (param i32) (result i32)))
(import "env" "response_set_status" (func $status (param i32) (result i32)))
(import "env" "response_set_header" (func $set (param i32 i32 i32 i32) (result i32)))
(import "env" "response_add_header" (func $add (param i32 i32 i32 i32) (result i32)))
(import "env" "response_remove_header" (func $remove (param i32 i32) (result i32)))
(import "env" "response_set_body" (func $body (param i32 i32) (result i32)))
"#;

/// A memory with texts at known places, and what every function checks by.
const COMMON: &str = r#"
(memory (export "memory") 1)
(data (i32.const 0) "x-a")
(data (i32.const 16) "one")
(data (i32.const 32) "x-b")
(data (i32.const 48) "set-cookie")
(data (i32.const 64) "a=1")
(data (i32.const 80) "b=2")
(data (i32.const 96) "key")
(data (i32.const 112) "text/plain")
(data (i32.const 128) "\ff\fe")
(data (i32.const 144) "1\0d\0ax-evil: 1")
(data (i32.const 160) "1\00")
(func $is (param $got i32) (param $wanted i32)
  (if (i32.ne (local.get $got) (local.get $wanted)) (then unreachable)))
(func $answer (param $len i32)
  (call $is (call $buffer (i32.const 1024) (i32.const 0) (local.get $len)) (local.get $len))
  (call $is (call $body (i32.const 1024) (local.get $len)) (i32.const 0)))
"#;

/// A module of functions in the text format. `main` has this body and then returns 0.
pub(super) fn function(main: &str) -> Bytes {
    module("", &format!("(func (export \"main\") (result i32) {main} (i32.const 0))"))
}

pub(super) fn module(imports: &str, functions: &str) -> Bytes {
    assemble(&format!("(module {PRELUDE} {imports} {COMMON} {functions})"))
}

pub(super) fn assemble(text: &str) -> Bytes {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}")).into()
}

pub(super) fn of(bytes: &Bytes) -> PluginBuilder {
    Plugin::builder("test").bytes(bytes.clone())
}

async fn with_options(file: &str, options: Value) -> Plugin {
    plugin(file).abi_options(options).load(engine()).await.unwrap()
}

#[tokio::test]
pub(crate) async fn aegis_scenario() {
    // Told nothing, it does nothing; what it does has its own tests.
    let scenario = with_options(guest::AEGIS_SCENARIO, serde_json::json!({ "entry": "edit_request" })).await;
    assert_eq!((scenario.abi(), status(&scenario, &[]).await), (Some("aegis"), 0));
}

#[tokio::test]
pub(crate) async fn aegis_edge() {
    let edge = plugin(guest::AEGIS_EDGE).abi_options(serde_json::json!({ "entry": "look_up" }));
    let edge = edge.grants(Grants { cache: true, ..Grants::default() }).load(engine()).await.unwrap();
    assert_eq!((status(&edge, &[]).await, status(&edge, &[]).await), (0, 200));
}

#[tokio::test]
pub(crate) async fn aegis_filter() {
    let filter = load(guest::AEGIS_FILTER).await;
    let mut exchange = crate::common::open([filter.clone()]);
    let marked = passed(exchange.on_request(request(&[("authorization", "Bearer secret")])).await);
    assert_eq!(marked.headers()["x-plugin"], "1");
    assert_eq!(status(&filter, &[("authorization", "Bearer guess!")]).await, 401);
    assert_eq!(status(&filter, &[("authorization", "Bearer secret and more")]).await, 401);
    assert_eq!(status(&filter, &[]).await, 401);
}

#[tokio::test]
pub(crate) async fn aegis_waf() {
    let waf = load(guest::AEGIS_WAF).await;
    assert_eq!(status(&waf, &[("user-agent", "Mozilla/5.0"), ("cookie", "id=1' OR '1'='1")]).await, 403);
}

#[tokio::test]
pub(crate) async fn aegis_bot() {
    let block = serde_json::json!({ "on_known": "block", "on_suspicious": "block" });
    let bot = with_options(guest::AEGIS_BOT, block).await;
    assert_eq!(status(&bot, &[("user-agent", "Googlebot/2.1")]).await, 403);
    assert_eq!(status(&bot, &[("user-agent", "Mozilla/5.0 Firefox/140.0")]).await, 0);
}
