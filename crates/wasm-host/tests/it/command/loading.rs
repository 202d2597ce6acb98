use std::io::Write;

use test_guests as guest;
use wasm_host::{Command, CommandLimits, Error, Plugin, PluginEngine};

use crate::common::engine;

async fn refused(bytes: Vec<u8>) -> Error {
    Command::builder().bytes(bytes).load(engine()).await.unwrap_err()
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

#[tokio::test]
async fn a_command_is_no_plugin() {
    for file in [guest::COMMAND_UPPER, guest::COMMAND_UPPER_COMPONENT] {
        let error = Plugin::builder("upper").file(file).load(engine()).await.unwrap_err();
        assert!(matches!(error, Error::CommandAsPlugin), "{error}");
        let told = "it is a WASI command, which runs by itself from stdin to stdout: it cannot be a plugin of a chain";
        assert_eq!(error.to_string(), told);
        let inspection = engine().inspect(&read(file)).unwrap();
        assert_eq!((inspection.abi, inspection.problems), (Some("command"), vec![]));
    }
}

#[tokio::test]
async fn a_plugin_is_no_command() {
    let error = refused(read(guest::NATIVE_EDIT)).await;
    assert!(matches!(error, Error::NotACommand { abi: "native" }), "{error}");
    assert!(error.to_string().starts_with("it is a plugin of the native ABI and no command: "), "{error}");
}

#[tokio::test]
async fn names_what_is_no_command() {
    assert!(matches!(refused(b"#!/bin/sh".to_vec()).await, Error::NotWasm { .. }));
    assert!(matches!(refused(Vec::new()).await, Error::NotWasm { .. }));
    assert!(matches!(refused(read(guest::NATIVE_WRONG_WORLD)).await, Error::UnknownAbi { .. }));
    let mut cut = read(guest::COMMAND_UPPER);
    cut.truncate(cut.len() / 2);
    assert!(matches!(refused(cut).await, Error::Damaged { .. }));
    let error = Command::builder().load(engine()).await.unwrap_err();
    assert_eq!(error.to_string(), "the command has no code: give it `bytes` or a `file`");
    let error = Command::builder().file("/nowhere/command.wasm").load(engine()).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/command.wasm: "), "{error}");
}

/// `_start` makes no command without a memory, nor when it is of another type.
#[tokio::test]
async fn a_module_without_memory_is_no_command() {
    let types = b"\x01\x04\x01\x60\0\0\x03\x02\x01\0";
    let (memory, code) = (b"\x05\x03\x01\0\x01", b"\x0a\x04\x01\x02\0\x0b");
    let alone = [&b"\0asm\x01\0\0\0"[..], types, memory, b"\x07\x0a\x01\x06_start\0\0", code].concat();
    let error = refused(alone).await.to_string();
    assert!(error.starts_with("no plugin ABI fits this core module: it exports _start; supported are: "), "{error}");
    assert!(error.contains("command (exports _start and memory of a core module"), "{error}");
    let exports = b"\x07\x13\x02\x06_start\0\0\x06memory\x02\0";
    let whole = [&b"\0asm\x01\0\0\0"[..], types, memory, exports, code].concat();
    Command::builder().bytes(whole).load(engine()).await.unwrap().run("").await.unwrap();
    let typed = [&b"\0asm\x01\0\0\0"[..], b"\x01\x05\x01\x60\x01\x7f\0\x03\x02\x01\0", memory, exports, code].concat();
    assert!(matches!(refused(typed).await, Error::UnknownAbi { .. }));
}

#[tokio::test]
pub(crate) async fn command_missing_imports() {
    let told = "the guest imports what the command ABI does not offer: wasix_32v1.thread_spawn, env.system";
    assert_eq!(refused(read(guest::COMMAND_MISSING_IMPORTS)).await.to_string(), told);
    let inspection = engine().inspect(&read(guest::COMMAND_MISSING_IMPORTS)).unwrap();
    assert_eq!((inspection.abi, inspection.problems), (Some("command"), vec![told.to_owned()]));
}

#[tokio::test]
async fn refuses_a_file_that_is_too_large() {
    let bytes = read(guest::COMMAND_UPPER);
    let limits = |module| CommandLimits { module, ..CommandLimits::default() };
    let too_large = format!("the command's file has {} bytes, and {} are allowed", bytes.len(), bytes.len() - 1);
    let builder = || Command::builder().limits(limits(bytes.len() - 1));
    let error = builder().bytes(bytes.clone()).load(engine()).await.unwrap_err();
    assert_eq!(error.to_string(), too_large);
    let error = builder().file(guest::COMMAND_UPPER).load(engine()).await.unwrap_err();
    assert_eq!(error.to_string(), too_large);
    Command::builder().limits(limits(bytes.len())).bytes(bytes).load(engine()).await.unwrap();
}

#[tokio::test]
async fn a_file_is_compiled_once() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let fresh = || PluginEngine::builder().max_instances(4).cache_dir(&cache).build().unwrap();
    let first = fresh();
    let kept = Command::builder().file(guest::COMMAND_UPPER).load(&first).await.unwrap();
    Command::builder().file(guest::COMMAND_UPPER).load(&first).await.unwrap();
    assert_eq!(first.compilations(), 1);
    assert_eq!(kept.run("a").await.unwrap().text().unwrap(), "A");
    let second = fresh();
    let again = Command::builder().file(guest::COMMAND_UPPER).load(&second).await.unwrap();
    assert_eq!(second.compilations(), 0);
    assert_eq!(again.run("b").await.unwrap().text().unwrap(), "B");
}

#[tokio::test]
async fn a_transient_file_leaves_nothing_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let engine = PluginEngine::builder().max_instances(4).cache_dir(&cache).build().unwrap();
    let builder = Command::builder().file(guest::COMMAND_UPPER);
    let command = builder.transient().load(&engine).await.unwrap();
    assert_eq!(command.run("a").await.unwrap().text().unwrap(), "A");
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 0);
}

/// A file that grows while it is read is no larger than what is allowed.
#[tokio::test]
async fn no_more_than_the_limit_is_read() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&read(guest::COMMAND_UPPER)).unwrap();
    file.as_file().set_len(1 << 33).unwrap();
    let error = Command::builder().file(file.path()).load(engine()).await.unwrap_err();
    assert_eq!(error.to_string(), "the command's file has 8589934592 bytes, and 10485760 are allowed");
}
