//! Modules of other shapes: what fits, and what a user is told of what does not.

use wasm_host::Plugin;

use crate::common::{Logged, engine, open, passed, request};

const REQUEST: &str = r#"(func (export "process_request") (param i32 i32 i32 i32) (result i32) (i32.const 0))"#;
const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const MALLOC: &str = r#"(func (export "malloc") (param i32) (result i32) (i32.const 1024))"#;

async fn loaded(parts: &[&str]) -> Result<Plugin, String> {
    let module = wat::parse_str(format!("(module {})", parts.concat())).unwrap();
    Plugin::builder("test").bytes(module).load(engine()).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn names_every_import_that_it_does_not_have() {
    let imports = r#"
        (import "./p_bg.js" "__wbg_log_0123456789abcdef" (func (param i32 i32 i32 i32)))
        (import "./p_bg.js" "__wbg_fetch_0123456789abcdef" (func (param i32) (result i32)))
        (import "wbg" "__wbindgen_string_new" (func (param i32 i32) (result i32)))
        (import "env" "now" (func (result i64)))
        (import "env" "log" (func (param i32 i32 i32 i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"#;
    assert_eq!(
        loaded(&[imports, REQUEST, MEMORY, MALLOC]).await.unwrap_err(),
        "the guest imports what the blitz ABI does not offer: ./p_bg.js.__wbg_fetch_0123456789abcdef, \
         wbg.__wbindgen_string_new, env.now"
    );
}

#[tokio::test]
async fn says_which_type_an_import_has_to_have() {
    for (import, expected) in [
        (
            r#""env" "log" (func (param i32 i32))"#,
            "`env.log` as (i32, i32) -> (), and that is (i32, i32, i32, i32) -> ()",
        ),
        (
            r#""env" "get_env" (func (param i32 i32 i32) (result i64))"#,
            "`env.get_env` as (i32, i32, i32) -> i64, and that is (i32, i32, i32) -> (), (i32, i32) -> i64 or \
             (i32, i32, i32, i32) -> i32",
        ),
        (
            r#""wbg" "__wbg_getbody_0123456789abcdef" (func (param i64))"#,
            "`wbg.__wbg_getbody_0123456789abcdef` as (i64) -> (), and that is (i32) -> (), () -> i64 or (i32, i32) -> i32",
        ),
    ] {
        let error = loaded(&[&format!("(import {import})"), REQUEST, MEMORY, MALLOC]).await.unwrap_err();
        assert_eq!(error, format!("the guest does not fit the blitz ABI: it imports {expected}"));
    }
}

#[tokio::test]
async fn says_what_is_wrong_with_the_exports() {
    let wrong = |export: &'static str| loaded_with(export);
    assert_eq!(
        loaded(&[REQUEST, MALLOC]).await.unwrap_err(),
        "the guest does not fit the blitz ABI: it exports no memory under the name `memory`"
    );
    assert!(loaded(&[REQUEST, MEMORY]).await.unwrap_err().contains("`__wbindgen_malloc`, `alloc` or `malloc`"));
    assert_eq!(
        wrong(r#"(func (export "process_response") (param i32) (result i32) (i32.const 0))"#).await,
        "the guest does not fit the blitz ABI: it exports `process_response` as (i32) -> i32, and that is (i32, i32, i32) \
         -> i32"
    );
    assert_eq!(
        wrong(r#"(func (export "init") (result i64) (i64.const 0))"#).await,
        "the guest does not fit the blitz ABI: it exports `init` as () -> i64, and that is () -> i32"
    );
    assert!(wrong(r#"(func (export "cleanup"))"#).await.contains("`cleanup` as () -> (), and that is () -> i32"));
}

async fn loaded_with(export: &str) -> String {
    loaded(&[REQUEST, MEMORY, MALLOC, export]).await.unwrap_err()
}

#[tokio::test]
async fn a_phase_of_another_type_makes_no_plugin_of_this_abi() {
    let other = r#"(func (export "process_request") (param i32 i32) (result i32) (i32.const 0))"#;
    let error = loaded(&[other, MEMORY, MALLOC]).await.unwrap_err();
    assert!(error.starts_with("no plugin ABI fits this core module: it exports process_request, memory, malloc"));
    assert!(error.contains("blitz (exports process_request(i32, i32, i32, i32) -> i32 or"), "{error}");
}

/// Logs the first letters of `text` that are kept at 0.
const LOG: &str = r#"
    (import "wbg" "__wbg_log_0123456789abcdef" (func $log (param i32 i32 i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "ISAC")
    (func $say (param i32) (call $log (i32.const 100) (i32.const 0) (local.get 0) (i32.const 1)))"#;

#[tokio::test]
async fn an_allocator_of_one_argument_and_starts_come_before_init() {
    let logged = Logged::default();
    let rest = r#"
        (func (export "__wbindgen_malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "init") (result i32) (call $say (i32.const 2)) (i32.const 0))
        (func (export "__wbindgen_start") (call $say (i32.const 1)))
        (func (export "_initialize") (call $say (i32.const 0)))
        (func (export "cleanup") (result i32) (call $say (i32.const 3)) (i32.const 0))"#;
    let module = wat::parse_str(format!("(module {LOG} {rest} {REQUEST})")).unwrap();
    let plugin = Plugin::builder("test").bytes(module).pool(super::reuse()).load(&logged.engine()).await.unwrap();
    let mut exchange = open([plugin]);
    passed(exchange.on_request(request(&[])).await);
    exchange.finish();
    let lines = logged.lines();
    assert_eq!(lines[..3], ["test  Info : I", "test  Info : S", "test  Info : A"]);
}

#[tokio::test]
async fn a_program_whose_main_ends_well_has_started() {
    for (code, starts) in [(0, true), (3, false)] {
        let exit = format!(
            r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (func (export "_start") (call $exit (i32.const {code})))"#
        );
        let plugin = loaded(&[&exit, MEMORY, MALLOC, REQUEST]).await;
        assert_eq!(plugin.is_ok(), starts, "{code}");
    }
}

#[tokio::test]
async fn a_place_that_is_not_in_the_guest_fails_its_call() {
    for (ptr, told) in [
        ("0", "hostcall: a hostcall failed: the guest's allocator gave no room for 3 bytes"),
        ("65535", "hostcall: a hostcall failed: 3 bytes at 65535 are outside of the guest's memory, which has 65536"),
        ("-1", "hostcall: a hostcall failed: 3 bytes at 4294967295 are outside of the guest's memory, which has 65536"),
    ] {
        let malloc = format!(r#"(func (export "malloc") (param i32) (result i32) (i32.const {ptr}))"#);
        let mut exchange = open([loaded(&[&malloc, MEMORY, REQUEST]).await.unwrap()]);
        exchange.on_request(request(&[])).await;
        let failure = exchange.failures()[0].to_string();
        assert!(failure.starts_with(told), "{failure}");
        exchange.finish();
    }
}

#[tokio::test]
async fn a_text_that_is_asked_for_before_the_guest_stands_is_refused() {
    let early = r#"
        (import "env" "get_body" (func $get (result i64)))
        (func $now (drop (call $get)))
        (start $now)"#;
    let error = loaded(&[early, MEMORY, MALLOC, REQUEST]).await.unwrap_err();
    assert_eq!(error, "plugin `test` does not start: hostcall: called the exchange outside of one");
}

#[tokio::test]
async fn an_edit_without_a_message_is_refused() {
    let init = r#"
        (import "env" "set_header" (func $set (param i32 i32 i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "x-a")
        (func (export "init") (result i32)
            (call $set (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 1)) (i32.const 0))"#;
    let error = loaded(&[init, MALLOC, REQUEST]).await.unwrap_err();
    assert_eq!(error, "plugin `test` does not start: hostcall: called the exchange outside of one");
}

#[tokio::test]
async fn a_module_that_the_tool_has_not_worked_on_runs_where_its_exports_are_there() {
    let leftovers = r#"
        (import "__wbindgen_placeholder__" "__wbindgen_describe" (func (param i32)))
        (import "__wbindgen_placeholder__" "__wbg_setheader_ea6283f0c3a607bd" (func (param i32 i32 i32 i32)))
        (import "__wbindgen_externref_xform__" "__wbindgen_externref_table_grow" (func (param i32) (result i32)))
        (import "__wbindgen_externref_xform__" "__wbindgen_externref_table_set_null" (func (param i32)))"#;
    let malloc = r#"(func (export "__wbindgen_malloc") (param i32 i32) (result i32) (i32.const 1024))"#;
    let plugin = loaded(&[leftovers, MEMORY, malloc, REQUEST]).await.unwrap();
    assert_eq!(plugin.abi(), Some("blitz"));
}
