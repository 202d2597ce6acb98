//! `/wasm`, in the words of sgl-model-gateway.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use test_guests::NATIVE_OBSERVE;

use super::{call, directory_of, states};
use crate::support::*;

/// A gateway that deploys what is in a directory.
async fn gateway(files: &[(&str, &str)], more: &str) -> (Upstream, tempfile::TempDir, Gateway) {
    let (upstream, directory) = (Upstream::echo().await, directory_of(files));
    let config = format!("wasm_roots: [{}]\n{more}", directory.path().display());
    let gateway = Gateway::with(upstream.address, &config);
    (upstream, directory, gateway)
}

fn module(name: &str, path: &Path, points: &[&str]) -> Value {
    let points: Vec<_> = points.iter().map(|point| json!({ "Middleware": point })).collect();
    json!({ "name": name, "file_path": path, "module_type": "Middleware", "attach_points": points })
}

async fn deploy(gateway: &Gateway, modules: &[Value]) -> Answer {
    let body = json!({ "modules": modules }).to_string();
    call(&gateway.admin().to_string(), Method::POST, "/wasm", body).await
}

async fn list(gateway: &Gateway) -> Value {
    call(&gateway.admin().to_string(), Method::GET, "/wasm", "").await.json()
}

async fn remove(gateway: &Gateway, uuid: &str) -> Answer {
    call(&gateway.admin().to_string(), Method::DELETE, &format!("/wasm/{uuid}"), "").await
}

#[tokio::test]
async fn nothing_is_deployed_at_first() {
    let (_upstream, _directory, gateway) = gateway(&[], "").await;
    let expected = json!({
        "modules": [],
        "metrics": {
            "total_executions": 0,
            "successful_executions": 0,
            "failed_executions": 0,
            "total_execution_time_ms": 0,
            "max_execution_time_ms": 0,
        },
    });
    assert_eq!(list(&gateway).await, expected);
}

#[tokio::test]
async fn what_cannot_be_deployed_is_echoed_with_the_reason() {
    let (_upstream, directory, gateway) = gateway(&[("native.wasm", NATIVE_OBSERVE)], "").await;
    let root = directory.path();
    for (name, bytes) in [("core.wasm", &b"\0asm\x01\0\0\0"[..]), ("empty.wasm", b""), ("text.wasm", b"some text")] {
        std::fs::write(root.join(name), bytes).unwrap();
    }
    std::fs::write(root.join("damaged.wasm"), b"\0asm\x0d\0\x01\0\x01\x05damaged").unwrap();
    let elsewhere = Path::new(NATIVE_OBSERVE);
    for (name, path, reason) in [
        ("", root.join("native.wasm"), "`name` is empty"),
        ("m", "".into(), "`file_path` is empty"),
        ("m", "native.wasm".into(), "`file_path` is not an absolute path"),
        ("m", root.join("../native.wasm"), "`file_path` has a `..`"),
        ("m", root.join("native.wat"), "`file_path` does not end in `.wasm`"),
        ("m", root.join("gone.wasm"), "there is no such file in a directory of `wasm_roots`"),
        ("m", elsewhere.into(), "there is no such file in a directory of `wasm_roots`"),
        ("m", root.join("empty.wasm"), "the file is empty"),
        ("m", root.join("text.wasm"), "the file is not a WebAssembly file"),
        ("m", root.join("core.wasm"), "the file is a core module, and a component is needed"),
        ("m", root.join("damaged.wasm"), "plugin `m`: "),
        (
            "m",
            root.join("native.wasm"),
            "the file is a plugin of the native ABI, and no module: load it with POST /api/plugins",
        ),
    ] {
        let mut described = module(name, &path, &["OnRequest"]);
        let answer = deploy(&gateway, &[described.clone()]).await;
        let mut echoed = answer.json()["modules"][0].clone();
        assert_eq!(answer.status, 400, "{echoed}");
        let error = echoed["add_result"]["Error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(reason), "{error}");
        let fields = echoed.as_object_mut().unwrap();
        fields.remove("add_result");
        described.as_object_mut().unwrap().sort_keys();
        fields.sort_keys();
        assert_eq!(echoed, described);
    }
    assert_eq!(list(&gateway).await["modules"], json!([]));
    assert!(states(&gateway.admin().to_string()).await.is_empty());
}

#[tokio::test]
async fn without_a_root_it_is_said_what_to_set() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let answer = deploy(&gateway, &[module("m", Path::new(NATIVE_OBSERVE), &["OnRequest"])]).await;
    let error = &answer.json()["modules"][0]["add_result"]["Error"];
    assert_eq!(answer.status, 400);
    assert!(error.as_str().unwrap().contains("name one in `wasm_roots` of its config, or by `--wasm-root`"), "{error}");
}

#[tokio::test]
async fn bodies_and_uuids_that_make_no_sense_are_400() {
    let (_upstream, directory, gateway) = gateway(&[], "").await;
    let admin = gateway.admin().to_string();
    let with = |key: &str, value: Value| {
        let mut described = module("m", &directory.path().join("m.wasm"), &["OnRequest"]);
        described[key] = value;
        json!({ "modules": [described] }).to_string()
    };
    for (body, reason) in [
        ("{".to_owned(), "the body: EOF while parsing"),
        ("[]".to_owned(), "the body: "),
        ("{}".to_owned(), "the body: missing field `modules`"),
        (json!({ "modules": [] }).to_string(), "the body: `modules` is empty"),
        (json!({ "modules": [{ "name": "m" }] }).to_string(), "the body: missing field `file_path`"),
        (with("module_type", json!("Filter")), "the body: unknown variant `Filter`, expected `Middleware`"),
        (with("attach_points", json!([{ "Middleware": "OnClose" }])), "the body: unknown variant `OnClose`"),
        (with("attach_points", json!(["OnRequest"])), "the body: unknown variant `OnRequest`"),
        (with("name", json!(7)), "the body: invalid type: integer `7`, expected a string"),
    ] {
        let answer = call(&admin, Method::POST, "/wasm", body.clone()).await;
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, 400, "{body}");
        assert!(error.starts_with(reason), "{error}");
    }
    let none = deploy(&gateway, &[module("m", &directory.path().join("m.wasm"), &[])]).await;
    let error = &none.json()["modules"][0]["add_result"]["Error"];
    assert_eq!(error, "`attach_points` is empty: name one of OnRequest, OnResponse and OnError");
    for uuid in ["nonsense", "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "", "%zz"] {
        assert_eq!(remove(&gateway, uuid).await.status, 400, "{uuid}");
    }
    for (method, path, status) in [
        (Method::PUT, "/wasm", 405),
        (Method::DELETE, "/wasm", 405),
        (Method::GET, "/wasm/some-uuid", 405),
        (Method::GET, "/wasm/some/uuid", 404),
        (Method::GET, "/wasmx", 404),
    ] {
        assert_eq!(call(&admin, method, path, "").await.status, status, "{path}");
    }
}

#[test]
fn the_runtime_s_bounds_are_checked() {
    let base = "listeners: [{ address: '127.0.0.1:0' }]\n";
    for (text, problem) in [
        ("wasm_runtime: { max_memory_pages: 0 }", "wasm_runtime.max_memory_pages: expected a nonzero u32"),
        (
            "wasm_runtime: { max_memory_pages: 65537 }",
            "wasm_runtime.max_memory_pages: a memory has at most 65536 pages",
        ),
        ("wasm_runtime: { max_execution_time_ms: -1 }", "wasm_runtime.max_execution_time_ms: expected a nonzero u64"),
        ("wasm_runtime: { max_stack_size: 1 }", "wasm_runtime.max_stack_size: must be 64KiB to 64MiB"),
        ("wasm_runtime: { max_stack_size: 1GiB }", "wasm_runtime.max_stack_size: must be 64KiB to 64MiB"),
        ("wasm_runtime: { thread_pool_size: 0 }", "wasm_runtime.thread_pool_size: expected a nonzero u32"),
        ("wasm_runtime: { module_cache_size: none }", "wasm_runtime.module_cache_size: expected a nonzero u32"),
        ("wasm_runtime: { max_body_size: 0 }", "wasm_runtime.max_body_size: must be more than 0"),
        ("wasm_runtime: { max_memory: 1 }", "wasm_runtime.max_memory: unknown key `max_memory`"),
        ("wasm_runtime: { pool: { mode: shared } }", "wasm_runtime.pool.mode: expected one of `fresh`, `reuse`"),
        ("wasm_roots: [plugins]", "wasm_roots[0]: `plugins` is not an absolute path"),
    ] {
        let error = refgateway::config::Config::from_yaml(&format!("{base}{text}"), &|_| None).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
}
