//! Which files are of AEGIS, and how they are to be.

use serde_json::{Value, json};
use wasm_host::{Error, Plugin};

use super::{assemble, function, module, of};
use crate::common::{answered, ask, engine, passed};

const USES_HOST: &str = r#"(import "env" "request_get_uri" (func $uri (result i32)))"#;
const WAF: &str = r#"(func (export "alloc") (param i32) (result i32) (i32.const 0))
    (func (export "analyze_request") (param i32 i32) (result i32) (i32.const 0))"#;
const BOT: &str = r#"(func (export "alloc") (param i32) (result i32) (i32.const 0))
    (func (export "detect_bot") (param i32 i32) (result i32) (i32.const 0))"#;
const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const DEALLOC: &str = r#"(func (export "dealloc") (param i32 i32))"#;

async fn loaded(parts: &[&str], options: Value) -> Result<Plugin, Error> {
    of(&assemble(&format!("(module {})", parts.concat()))).abi_options(options).load(engine()).await
}

async fn refused(parts: &[&str], options: Value) -> String {
    loaded(parts, options).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_file_tells_what_it_is() {
    let main = r#"(func (export "main") (result i32) (i32.const 0))"#;
    for (parts, has_body) in
        [(&[main][..], false), (&[USES_HOST, main], false), (&[WAF, MEMORY], true), (&[BOT, MEMORY, DEALLOC], false)]
    {
        let plugin = loaded(parts, Value::Null).await.unwrap_or_else(|error| panic!("{error}: {parts:?}"));
        assert_eq!((plugin.abi(), plugin.phases().request_body), (Some("aegis"), has_body), "{parts:?}");
    }
    for other in [
        r#"(func (export "main") (param i32 i32) (result i32) (i32.const 0))"#,
        r#"(func (export "_start")) (func (export "main") (result i32) (i32.const 0))"#,
        r#"(func (export "run") (result i32) (i32.const 0))"#,
        r#"(func (export "analyze_request") (param i32 i32) (result i32) (i32.const 0))"#,
    ] {
        let error = loaded(&[other], Value::Null).await.unwrap_err();
        assert!(matches!(error, Error::UnknownAbi { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_entry_can_have_any_name() {
    let guest =
        module("", r#"(func (export "handle") (result i32) (drop (call $terminate (i32.const 418))) (i32.const 0))"#);
    let plugin = of(&guest).abi_options(json!({ "entry": "handle" })).load(engine()).await.unwrap();
    assert_eq!(answered(ask(&plugin, &[]).await).status(), 418);
    let error = of(&guest).load(engine()).await.unwrap_err().to_string();
    assert!(
        error.ends_with(
            "exports no function `main`, and it has to be () -> i32; `abi.entry` can name another export of this type"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_what_has_to_change() {
    let other_main = r#"(func (export "main") (param i32) (result i64) (i64.const 0))"#;
    let other_alloc = r#"(func (export "alloc") (param i64) (result i32) (i32.const 0))
        (func (export "detect_bot") (param i32 i32) (result i32) (i32.const 0))"#;
    for (parts, options, end) in [
        (
            &[USES_HOST, other_main][..],
            Value::Null,
            "exports `main` as (i32) -> i64, and it has to be () -> i32; `abi.entry` can name another export of this type",
        ),
        (&[WAF], Value::Null, "it exports no `memory`, which requests are written to"),
        (
            &[BOT, MEMORY],
            Value::Null,
            "exports no function `dealloc`, and it has to be (i32, i32); a bot detector needs it",
        ),
        (
            &[other_alloc, MEMORY, DEALLOC],
            Value::Null,
            "exports `alloc` as (i64) -> i32, and it has to be (i32) -> i32; a bot detector needs it",
        ),
        (&[WAF, MEMORY], json!({ "entry": "main" }), "unknown field `entry`, there are no fields"),
        (
            &[BOT, MEMORY, DEALLOC],
            json!({ "on_known": "drop" }),
            "unknown variant `drop`, expected one of `block`, `header`, `pass`",
        ),
        (&[BOT, MEMORY, DEALLOC], json!({ "header": "a b" }), "`header`: `a b` is not a header name"),
        (&[USES_HOST, other_main], json!({ "enrty": "main" }), "unknown field `enrty`, expected `entry` or `result`"),
    ] {
        let error = refused(parts, options).await;
        assert!(error.ends_with(end), "{error}\n{end}");
    }
}

#[tokio::test]
async fn missing_imports_are_named_at_once() {
    let imports = r#"(import "env" "request_get_uri" (func (result i32)))
        (import "env" "response_get_status" (func (result i32))) (import "env" "kv_get" (func))"#;
    let error = loaded(&[imports], Value::Null).await.unwrap_err();
    let Error::MissingImports { abi: "aegis", missing } = &error else { panic!("{error}") };
    assert_eq!(*missing, ["env.response_get_status", "env.kv_get"]);
}

#[tokio::test]
async fn an_import_of_another_type_is_refused() {
    let error = refused(
        &[r#"(import "env" "request_get_uri" (func (param i64) (result i32)))
        (func (export "main") (result i32) (i32.const 0))"#],
        Value::Null,
    )
    .await;
    assert!(error.contains("request_get_uri"), "{error}");
}

#[tokio::test]
async fn a_reactor_is_initialized_before_it_is_called() {
    let guest = module(
        "",
        r#"(global $ready (mut i32) (i32.const 1))
           (func (export "_initialize") (global.set $ready (i32.const 0)))
           (func (export "main") (result i32) (global.get $ready))"#,
    );
    passed(ask(&of(&guest).load(engine()).await.unwrap(), &[]).await);
}

#[tokio::test]
async fn a_function_without_a_memory_is_told_so() {
    let parts = [
        r#"(import "env" "response_set_body" (func $body (param i32 i32) (result i32)))
           (import "env" "request_terminate" (func $terminate (param i32) (result i32)))"#,
        r#"(func (export "main") (result i32)
             (drop (call $terminate (i32.sub (i32.const 200) (call $body (i32.const 0) (i32.const 0)))))
             (i32.const 0))"#,
    ];
    let plugin = loaded(&parts, Value::Null).await.unwrap();
    assert_eq!(answered(ask(&plugin, &[]).await).status(), 201);
}

#[tokio::test]
async fn a_hostcall_at_the_start_has_no_exchange() {
    let starts = r#"(import "env" "request_get_uri" (func $uri (result i32)))
        (func $begin (drop (call $uri))) (start $begin)
        (func (export "main") (result i32) (i32.const 0))"#;
    let error = refused(&[starts], Value::Null).await;
    assert!(error.contains("called the exchange outside of one"), "{error}");
    passed(ask(&of(&function("")).load(engine()).await.unwrap(), &[]).await);
}
