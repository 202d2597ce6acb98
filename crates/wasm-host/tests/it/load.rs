//! What a user can get wrong about a plugin's file, and what he is told.

use test_guests as guest;
use wasm_host::{Error, FailureAction, FailureClass, FailurePolicy, Plugin};

use crate::common::{engine, open, passed, request, status};

async fn refused(bytes: impl Into<bytes::Bytes>) -> Error {
    Plugin::builder("test").bytes(bytes.into()).load(engine()).await.unwrap_err()
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

#[tokio::test]
async fn names_what_is_not_wasm() {
    assert_eq!(
        refused("#!/bin/sh").await.to_string(),
        "not a WebAssembly file: it starts with [23, 21, 2f, 62]; a plugin is a component or a core module in the \
         binary format"
    );
    assert!(refused("").await.to_string().contains("nothing: the file is empty"));
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_read() {
    for file in ["/dev/zero", "/"] {
        let error = Plugin::builder("test").file(file).load(engine()).await.unwrap_err();
        assert!(matches!(&error, Error::File { .. }), "{error}");
        let error = wasm_host::Digest::of_file(file).unwrap_err();
        assert_eq!(error.to_string(), "it is no regular file");
    }
    assert_eq!(
        wasm_host::Digest::of_file(guest::NATIVE_EDIT).unwrap(),
        wasm_host::Digest::of(&read(guest::NATIVE_EDIT))
    );
}

#[tokio::test]
async fn names_where_a_truncated_file_ends() {
    let whole = read(guest::NATIVE_EDIT);
    for length in [8, 9, 100, whole.len() / 2, whole.len() - 1] {
        let error = refused(whole[..length].to_vec()).await;
        assert!(matches!(error, Error::Damaged { .. } | Error::UnknownAbi { .. }), "{length}: {error}");
    }
    let error = refused(whole[..whole.len() / 2].to_vec()).await.to_string();
    assert!(error.starts_with("damaged WebAssembly file: ") && error.contains("offset"), "{error}");
}

#[tokio::test]
async fn survives_damage_anywhere() {
    let whole = read(guest::NATIVE_WRONG_WORLD);
    for at in (8..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        drop(Plugin::builder("test").bytes(damaged).load(engine()).await);
    }
}

#[tokio::test]
async fn names_what_a_core_module_exports() {
    let module = b"\0asm\x01\0\0\0\x05\x03\x01\0\x01\x07\x0a\x01\x06memory\x02\0".to_vec();
    let error = refused(module).await.to_string();
    assert!(
        error.starts_with("no plugin ABI fits this core module: it exports memory; supported are: native (exports"),
        "{error}"
    );
}

#[tokio::test]
async fn names_a_file_that_is_not_there() {
    let error = Plugin::builder("test").file("/nowhere/plugin.wasm").load(engine()).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot read plugin file /nowhere/plugin.wasm: "), "{error}");
    let error = Plugin::builder("test").load(engine()).await.unwrap_err();
    assert_eq!(error.to_string(), "plugin `test` has no code: give it `bytes` or a `file`");
}

#[tokio::test]
async fn a_plugin_that_could_not_be_loaded_fails_by_its_policy() {
    let closed = Plugin::builder("gone").absent(engine(), "the file is missing");
    assert_eq!(status(&closed, &[]).await, 503);

    let policy = FailurePolicy::default().on(FailureClass::NotLoaded, FailureAction::Open);
    let open_plugin = Plugin::builder("gone").on_failure(policy).absent(engine(), "the file is missing");
    let mut exchange = open([open_plugin]);
    passed(exchange.on_request(request(&[])).await);
    assert_eq!(exchange.failures()[0].to_string(), "not-loaded: the file is missing");
}

#[tokio::test]
async fn a_bypassed_plugin_undoes_nothing_of_another() {
    let absent = Plugin::builder("gone")
        .on_failure(FailurePolicy::always(FailureAction::Open))
        .absent(engine(), "the file is missing");
    let edit = Plugin::builder("edit")
        .file(guest::NATIVE_EDIT)
        .on_failure(FailurePolicy::always(FailureAction::Open))
        .load(engine())
        .await
        .unwrap();
    let mut exchange = open([edit, absent]);
    assert_eq!(passed(exchange.on_request(request(&[])).await).headers()["x-set"], "one");
}

#[tokio::test]
async fn inspects_any_file() {
    let inspection = engine().inspect(&read(guest::NATIVE_EDIT)).unwrap();
    assert_eq!((inspection.kind, inspection.abi, inspection.componentized), ("component", Some("native"), false));
    assert_eq!(inspection.problems, [""; 0]);
    assert!(inspection.exports.contains(&"wasm-host:plugin/request-phase@0.1.0".to_owned()));
    assert!(inspection.wit.unwrap().contains("export wasm-host:plugin/response-phase@0.1.0;"));

    let inspection = engine().inspect(&read(guest::NATIVE_EDIT_ON_WASIP1)).unwrap();
    assert_eq!((inspection.kind, inspection.abi, inspection.componentized), ("core module", Some("native"), true));

    let inspection = engine().inspect(&read(guest::NATIVE_MISSING_IMPORTS)).unwrap();
    assert_eq!(inspection.problems.len(), 1);
    assert!(inspection.problems[0].contains("test:missing/database, test:missing/queue"), "{:?}", inspection.problems);

    let inspection = engine().inspect(&read(guest::NATIVE_WRONG_WORLD)).unwrap();
    assert_eq!(inspection.abi, None);
    assert!(engine().inspect(b"text").is_err());
}
