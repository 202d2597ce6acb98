//! Where input and output are in the guest's memory, and that no call leaves anything behind.

use http::Request;
use serde_json::json;
use test_guests as guest;
use wasm_host::{Body, FailureClass, Limits, Plugin, PluginBuilder, PoolPolicy, RequestOutcome, Reuse};

use super::{PASSES, ask_with, module, packed, wat};
use crate::common::{answered, ask, engine, open, plugin, request};

/// A guest that gives back its input as its output, with these halves.
fn echoes(rest: &str) -> String {
    module("", &format!(r#"{rest} (func (export "execute") (param i32 i32) (result i64) {})"#, pack(0, 1)))
}

/// Two parameters in the halves of a number.
fn pack(low: u32, high: u32) -> String {
    format!(
        "(i64.or (i64.extend_i32_u (local.get {low})) (i64.shl (i64.extend_i32_u (local.get {high})) (i64.const 32)))"
    )
}

async fn reusing(builder: PluginBuilder) -> Plugin {
    let builder = builder.pool(PoolPolicy::Reuse(Reuse::default())).abi_options(json!({ "type": "request" }));
    builder.load(engine()).await.unwrap()
}

async fn class(plugin: &Plugin) -> Option<FailureClass> {
    let mut exchange = open([plugin.clone()]);
    drop(exchange.on_request(crate::common::request(&[])).await);
    let class = exchange.failures().first().map(|failure| failure.class);
    exchange.finish();
    class
}

#[tokio::test]
async fn halves_may_be_swapped() {
    let swapped = module(
        PASSES,
        &format!(
            r#"(func (export "execute") (param i32 i32) (result i64) (i64.const {}))"#,
            packed(PASSES).rotate_left(32)
        ),
    );
    assert_eq!(class(&reusing(wat(&swapped)).await).await, None);
}

#[tokio::test]
async fn input_is_at_the_end_of_a_memory_without_an_allocator() {
    let plugin = reusing(wat(&echoes(""))).await;
    for input in ["{}", r#"{"a":[1,2]}"#, r#"{"b":"long"}"#] {
        assert_eq!(plugin.test_input(input.as_bytes()).await.unwrap(), input.as_bytes());
    }
    let long = format!("\"{}\"", "x".repeat(200_000));
    assert_eq!(plugin.test_input(long.as_bytes()).await.unwrap(), long.as_bytes());
    assert_eq!(plugin.test_input(b"{}").await.unwrap(), b"{}");
}

/// A guest with an allocator that owns all memory up to its end whenever it grows, and writes to all that it owns.
const GREEDY: &str = r#"
    (global $calls (mut i32) (i32.const 0))
    (func (export "execute") (param i32 i32) (result i64)
        (local $owned i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (i32.eq (i32.rem_u (global.get $calls) (i32.const 3)) (i32.const 0))
            (then
                (local.set $owned (i32.shl (memory.size) (i32.const 16)))
                (drop (memory.grow (i32.const 1)))
                (i32.store (local.get $owned) (global.get $calls))
                (global.set $at (local.get $owned))
                (global.set $value (global.get $calls))))
        ;; What it keeps is still there.
        (if (i32.ne (i32.load (global.get $at)) (global.get $value)) (then unreachable))
        (return OUTPUT))
    (global $at (mut i32) (i32.const 0))
    (global $value (mut i32) (i32.const 0))"#;

#[tokio::test]
async fn what_a_guest_grows_itself_stays_its_own() {
    let plugin = reusing(wat(&module("", &GREEDY.replace("OUTPUT", &pack(0, 1))))).await;
    for round in 0..60 {
        let input = format!("[{round},\"{}\"]", "x".repeat(round * 997));
        assert_eq!(plugin.test_input(input.as_bytes()).await.unwrap(), input.as_bytes(), "{round}");
    }
}

/// Allocators that count what they have given out: `execute` traps when something was not given back.
fn counting(allocate: &str, free: &str) -> String {
    let execute = format!(
        r#"(global $given (mut i32) (i32.const 0))
        (func (export "execute") (param i32 i32) (result i64)
            (if (i32.ne (global.get $given) (i32.const 1)) (then unreachable))
            (i64.const {}))"#,
        packed(PASSES)
    );
    let give = "(global.set $given (i32.add (global.get $given) (i32.const 1))) (i32.const 8192)";
    let take = |last: u32| {
        format!(
            "(if (i32.ne (local.get 0) (i32.const 8192)) (then unreachable))
            (if (i32.lt_u (local.get {last}) (i32.const 100)) (then unreachable))
            (global.set $given (i32.sub (global.get $given) (i32.const 1)))"
        )
    };
    let free = match free.split_once(' ') {
        Some((name, "1")) => format!(r#"(func (export "{name}") (param i32) {})"#, take(0)),
        Some((name, "2")) => format!(r#"(func (export "{name}") (param i32 i32) {})"#, take(1)),
        other => panic!("{other:?}"),
    };
    let allocate = match allocate.split_once(' ') {
        Some((name, "1")) => format!(r#"(func (export "{name}") (param i32) (result i32) {give})"#),
        Some((name, "2")) => format!(
            r#"(func (export "{name}") (param i32 i32) (result i32)
                (if (i32.ne (local.get 1) (i32.const 8)) (then unreachable)) {give})"#
        ),
        other => panic!("{other:?}"),
    };
    module(PASSES, &format!("{execute} {allocate} {free}"))
}

#[tokio::test]
async fn an_allocator_of_any_kind_gets_back_what_it_gave() {
    for (allocate, free) in [
        ("malloc 1", "free 1"),
        ("malloc 1", "free 2"),
        ("alloc 1", "dealloc 2"),
        ("alloc 2", "dealloc 1"),
        ("malloc 1", "dealloc 2"),
        ("alloc 1", "free 1"),
    ] {
        let plugin = reusing(wat(&counting(allocate, free))).await;
        for _ in 0..3 {
            assert_eq!(class(&plugin).await, None, "{allocate} {free}");
        }
    }
}

#[tokio::test]
async fn an_allocator_that_gives_nothing_of_use_fails_the_call() {
    let execute = r#"(func (export "execute") (param i32 i32) (result i64) (i64.const 0))"#;
    let malloc =
        |ptr: &str| format!(r#"{execute} (func (export "malloc") (param i32) (result i32) (i32.const {ptr}))"#);
    for ptr in ["0", "65530", "-1"] {
        let plugin = reusing(wat(&module("", &malloc(ptr)))).await;
        assert_eq!(class(&plugin).await, Some(FailureClass::InvalidOutput), "{ptr}");
    }
}

#[tokio::test]
async fn input_that_has_no_room_is_the_limits_matter() {
    let limits = Limits { memory: 2 << 16, ..Limits::default() };
    let plugin = reusing(wat(&echoes("")).limits(limits)).await;
    let long = vec![b'x'; 2 << 16];
    let mut exchange = open([plugin.clone()]);
    drop(exchange.on_request(Request::post("/").body(Body::from(long)).unwrap()).await);
    assert_eq!(exchange.failures()[0].class, FailureClass::Memory);
    let own_maximum = echoes("").replace("1) (data", "1 1) (data");
    assert_eq!(class(&reusing(wat(&own_maximum)).await).await, Some(FailureClass::InvalidOutput));
}

#[tokio::test]
async fn thousands_of_calls_leave_nothing_behind() {
    for builder in [
        plugin(guest::ODIN_OBSERVE),
        plugin(guest::ODIN_ASSEMBLY),
        plugin(guest::ODIN_USE_HOST).config(json!({ "text": "t" })),
        wat(&counting("malloc 1", "free 1")),
    ] {
        let plugin = reusing(builder).await;
        let mut sizes = Vec::new();
        for round in 0..2_000 {
            let body = Body::from(vec![b'x'; round % 50 * 600]);
            match ask_with(&plugin, Request::post("/").body(body).unwrap()).await {
                RequestOutcome::Continue(_) | RequestOutcome::Respond(_) => {}
                RequestOutcome::BodyFailed(error) => panic!("{error}"),
            }
            sizes.push(plugin.stats().idle_memory);
        }
        assert_eq!(plugin.stats().pool_misses, 0, "the instance was lost");
        assert_eq!(sizes[200], sizes[1_999], "{:?}", plugin.stats());
        drop(ask(&plugin, &[]).await);
    }
}

#[tokio::test]
async fn an_allocator_that_has_the_host_allocate_is_stopped() {
    let text = format!(
        r#"(module (import "env" "get_config" (func $get_config (param i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 1024) "{}") (data (i32.const 16) "key")
            (global $calls (mut i32) (i32.const 0))
            (func (export "malloc") (param i32) (result i32)
              (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
              (if (i32.gt_u (global.get $calls) (i32.const 1)) (then (drop (call $get_config (i32.const 16)))))
              (i32.const 4096))
            (func (export "execute") (param i32 i32) (result i64)
              (drop (call $get_config (i32.const 16))) (i64.const {})))"#,
        PASSES.replace('"', "\\\""),
        packed(PASSES)
    );
    let plugin = wat(&text).config(json!({ "key": "value" })).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    answered(exchange.on_request(request(&[])).await);
    let failures = exchange.failures();
    assert_eq!(failures.iter().map(|failure| failure.class).collect::<Vec<_>>(), [FailureClass::Hostcall]);
    assert!(failures[0].message.contains("its allocator called a function that allocates"), "{failures:?}");
}
