//! How an instance of a plugin starts and ends.

use std::time::Duration;

use serde_json::json;
use wasm_host::{Error, FailureClass, Limits, PluginEngine, PoolPolicy, Reuse};

use super::{PASSES, module, packed, wat};
use crate::common::{Logged, engine, status};

/// A module that logs the name of each function that the host calls, `execute` besides.
fn logging(rest: &str) -> String {
    let names = ["_initialize", "_start", "init", "execute", "cleanup"];
    let data: String = names
        .iter()
        .enumerate()
        .map(|(index, name)| format!(r#"(data (i32.const {}) "{name}")"#, 2048 + index * 16))
        .collect();
    let functions: String = names
        .iter()
        .enumerate()
        .filter(|(_, name)| **name != "execute")
        .map(|(index, name)| {
            let log = format!("(call $log (i32.const {}) (i32.const {}))", 2048 + index * 16, name.len());
            let (result, value) = match *name {
                "init" => ("(result i32 i64)", "(i32.const 5) (i64.const 6)"),
                "_start" => ("", "(call $exit (i32.const 0))"),
                _ => ("", ""),
            };
            format!(r#"(func (export "{name}") {result} {log} {value})"#)
        })
        .collect();
    let execute = format!(
        r#"(func (export "execute") (param i32 i32) (result i64)
            (call $log (i32.const 2096) (i32.const 7)) (i64.const {}))"#,
        packed(PASSES)
    );
    let module = module(PASSES, &format!("{data} {functions} {execute} {rest}"));
    let imports = r#"(module
        (import "env" "log" (func $log (param i32 i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    module.replacen("(module", imports, 1)
}

#[tokio::test]
async fn each_function_is_called_in_its_turn() {
    let logged = Logged::default();
    let engine = PluginEngine::builder().log_sink(logged.clone()).build().unwrap();
    let reuse = PoolPolicy::Reuse(Reuse { max_uses: Some(2), ..Reuse::default() });
    let plugin = wat(&logging("")).abi_options(json!({ "type": "auth" })).pool(reuse).load(&engine).await.unwrap();
    assert_eq!(plugin.abi(), Some("odin"));
    for _ in 0..2 {
        assert_eq!(status(&plugin, &[]).await, 0);
    }
    let lines = || logged.lines().iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
    while lines().len() < 6 {
        tokio::task::yield_now().await;
    }
    assert_eq!(lines(), ["_initialize", "_start", "init", "execute", "execute", "cleanup"]);
}

#[tokio::test]
async fn a_cleanup_that_does_not_end_is_at_work_as_long_as_a_call_may_be() {
    let execute = format!(r#"(func (export "execute") (param i32 i32) (result i64) (i64.const {}))"#, packed(PASSES));
    let text = module(PASSES, &format!(r#"{execute} (func (export "cleanup") (loop (br 0)))"#));
    let limits = Limits {
        concurrency: 1,
        cpu: Duration::from_millis(50),
        startup: Duration::from_secs(3600),
        ..Limits::default()
    };
    let plugin = wat(&text).abi_options(json!({ "type": "auth" })).limits(limits).pool(PoolPolicy::Fresh);
    let plugin = plugin.load(engine()).await.unwrap();
    for _ in 0..2 {
        // The second one waits for the first one's instance to go.
        assert_eq!(status(&plugin, &[]).await, 0);
        assert_eq!(plugin.stats().active, 1);
    }
    while plugin.stats().active > 0 {
        tokio::task::yield_now().await;
    }
}

async fn start_failure(rest: &str) -> Error {
    let execute = r#"(func (export "execute") (param i32 i32) (result i64) (i64.const 0))"#;
    wat(&module("", &format!("{execute} {rest}"))).load(engine()).await.unwrap_err()
}

#[tokio::test]
async fn a_start_that_fails_refuses_the_plugin() {
    for name in ["init", "_start", "_initialize"] {
        let error = start_failure(&format!(r#"(func (export "{name}") unreachable)"#)).await;
        assert!(matches!(&error, Error::Start { failure, .. } if failure.class == FailureClass::Trap), "{error}");
    }
    let exits = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (i32.const 3)))
        (func (export "execute") (param i32 i32) (result i64) (i64.const 0)))"#;
    let error = wat(exits).load(engine()).await.unwrap_err();
    assert!(matches!(&error, Error::Start { failure, .. } if failure.message.contains('3')), "{error}");
}

#[tokio::test]
async fn a_file_that_does_not_fit_is_refused_with_the_reason() {
    let without_memory = r#"(module (func (export "execute") (param i32 i32) (result i64) (i64.const 0)))"#;
    let unknown = r#"(module (import "env" "fly" (func)) (import "env" "log" (func (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "execute") (param i32 i32) (result i64) (i64.const 0)))"#;
    for (text, reason) in [
        (without_memory, "no memory under the name `memory`"),
        (unknown, "env.fly"),
        (&module("", r#"(func (export "execute") (param i32) (result i64) (i64.const 0))"#), "odin (exports execute"),
    ] {
        let error = wat(text).load(engine()).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let error = start_failure(r#"(func (export "init") (param i32))"#).await.to_string();
    assert!(error.contains("`init` is no function without parameters"), "{error}");
}
