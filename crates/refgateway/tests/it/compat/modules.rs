//! `/wasm`, in the words of sgl-model-gateway.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use test_guests::{NATIVE_OBSERVE, SGL_AUTH, SGL_LOGGING, SGL_RATE_LIMIT, SGL_SCENARIO};

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
        let described = module(name, &path, &["OnRequest"]);
        let answer = deploy(&gateway, std::slice::from_ref(&described)).await;
        let mut echoed = answer.json()["modules"][0].clone();
        assert_eq!(answer.status, 400, "{echoed}");
        let error = echoed["add_result"]["Error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(reason), "{error}");
        echoed.as_object_mut().unwrap().remove("add_result");
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

#[tokio::test]
async fn modules_are_deployed_listed_and_removed() {
    let files = [("auth.component.wasm", SGL_AUTH), ("log.wasm", SGL_LOGGING)];
    let (_upstream, directory, gateway) = gateway(&files, "").await;
    let auth = module("auth", &directory.path().join("auth.component.wasm"), &["OnRequest"]);
    let log = module("log", &directory.path().join("log.wasm"), &["OnRequest", "OnResponse"]);
    let answer = deploy(&gateway, &[auth.clone(), log.clone()]).await;
    let added = answer.json()["modules"].clone();
    assert_eq!(answer.status, 200, "{added}");
    for (added, described) in added.as_array().unwrap().iter().zip([&auth, &log]) {
        let uuid = added["add_result"]["Success"].as_str().unwrap();
        let mut expected = described.clone();
        expected["add_result"] = json!({ "Success": uuid });
        assert_eq!((added, uuid.len()), (&expected, 36));
    }

    let ask = async |path: &str, key: &'static str| {
        let request = http::Request::get(gateway.url(path)).header("x-api-key", key).body(body::empty()).unwrap();
        send(&client(), request).await
    };
    assert_eq!(ask("/v1/models", "wrong").await.status, 401);
    let passed = ask("/v1/models", "secret-api-key-12345").await;
    assert_eq!(passed.json()["headers"]["x-wasm-processed"][0], "true");

    let listed = list(&gateway).await;
    let [auth, log] = listed["modules"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!(auth["module_uuid"], added[0]["add_result"]["Success"]);
    let meta = &auth["module_meta"];
    assert_eq!((&meta["name"], &meta["access_count"]), (&json!("auth"), &json!(2)));
    assert_eq!(meta["file_path"], json!(directory.path().join("auth.component.wasm")));
    assert_eq!(meta["size_bytes"], json!(std::fs::metadata(SGL_AUTH).unwrap().len()));
    assert_eq!(meta["attach_points"], json!([{ "Middleware": "OnRequest" }]));
    let hash = meta["sha256_hash"].as_str().unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()), "{hash}");
    let moment = |key: &str| meta[key].as_str().unwrap().to_owned();
    assert!(moment("created_at") < moment("last_accessed_at") && moment("created_at").ends_with('Z'), "{meta}");
    assert_eq!(meta.as_object().unwrap().len(), 8);
    // The second module saw one request and its response.
    assert_eq!(log["module_meta"]["access_count"], 2);

    let metrics = &listed["metrics"];
    for (key, value) in [("total_executions", 4), ("successful_executions", 4), ("failed_executions", 0)] {
        assert_eq!(metrics[key], value, "{key}");
    }
    assert!(metrics["average_execution_time_ms"].as_f64().unwrap() > 0.0, "{metrics}");
    assert!(metrics["max_execution_time_ms"].as_u64() <= metrics["total_execution_time_ms"].as_u64(), "{metrics}");

    let uuid = auth["module_uuid"].as_str().unwrap().to_uppercase();
    assert_eq!(remove(&gateway, &uuid).await.status, 200);
    assert_eq!(remove(&gateway, &uuid).await.status, 400);
    assert_eq!(ask("/v1/models", "wrong").await.status, 200);
    assert_eq!(list(&gateway).await["modules"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_bad_module_keeps_no_other_out() {
    let (_upstream, directory, gateway) = gateway(&[("auth.wasm", SGL_AUTH)], "").await;
    let path = directory.path().join("auth.wasm");
    let modules = [
        module("twice", &path, &["OnRequest"]),
        module("gone", &directory.path().join("gone.wasm"), &["OnRequest"]),
        module("twice", &path, &["OnRequest"]),
        module("response", &path, &["OnResponse"]),
        module("again", &path, &["OnRequest"]),
    ];
    let answer = deploy(&gateway, &modules).await;
    let added = answer.json()["modules"].clone();
    assert_eq!(answer.status, 400);
    let error = |index: usize| added[index]["add_result"]["Error"].as_str().unwrap_or_default().to_owned();
    assert_eq!([0, 4].map(|index| added[index]["add_result"]["Success"].is_string()), [true, true], "{added}");
    assert_eq!(error(1), "there is no such file in a directory of `wasm_roots`");
    assert!(error(2).starts_with("there is a plugin `twice`"), "{added}");
    assert!(error(3).contains("the guest does not export"), "{added}");
    let modules = list(&gateway).await["modules"].clone();
    let names: Vec<_> = modules.as_array().unwrap().iter().map(|module| &module["module_meta"]["name"]).collect();
    assert_eq!(names, ["twice", "again"]);
}

#[tokio::test]
async fn the_rate_limiter_limits_with_an_instance_that_is_kept() {
    for (runtime, last) in [
        ("wasm_runtime: { thread_pool_size: 1, pool: { mode: reuse, max_idle: 1 } }", 429),
        // A fresh instance for each request has counted none.
        ("", 200),
    ] {
        let (_upstream, directory, gateway) = gateway(&[("limit.wasm", SGL_RATE_LIMIT)], runtime).await;
        let module = module("limit", &directory.path().join("limit.wasm"), &["OnRequest"]);
        assert_eq!(deploy(&gateway, &[module]).await.status, 200);
        let (client, url) = (client(), gateway.url("/"));
        let ask = async |key: &'static str| {
            let request = http::Request::get(&url).header("x-api-key", key).body(body::empty()).unwrap();
            send(&client, request).await.status.as_u16()
        };
        for request in 1..=60 {
            assert_eq!(ask("one").await, 200, "{request}");
        }
        assert_eq!((ask("one").await, ask("another").await), (last, 200));
    }
}

#[tokio::test]
async fn the_runtime_s_settings_bound_modules_only() {
    let runtime = "wasm_runtime:\n\
        \x20 max_memory_pages: 17\n\
        \x20 max_execution_time_ms: 30\n\
        \x20 max_stack_size: 131072\n\
        \x20 thread_pool_size: 4\n\
        \x20 module_cache_size: 10\n\
        \x20 max_body_size: 1000\n";
    let (_upstream, directory, gateway) =
        gateway(&[("s.wasm", SGL_SCENARIO), ("n.wasm", NATIVE_OBSERVE)], runtime).await;
    let admin = gateway.admin().to_string();
    let native = json!({ "plugin": { "name": "native", "file": directory.path().join("n.wasm") }, "routes": ["*"] });
    assert_eq!(call(&admin, Method::POST, "/api/plugins", native.to_string()).await.status, 201);
    let answer = deploy(&gateway, &[module("s", &directory.path().join("s.wasm"), &["OnRequest"])]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let limits = async |name: &str| {
        call(&admin, Method::GET, &format!("/api/plugins/{name}"), "").await.json()["limits"].clone()
    };
    let (module, native) = (limits("s").await, limits("native").await);
    assert_eq!((&module["memory"], &native["memory"]), (&json!(17 * 65_536), &json!(64 << 20)));
    assert_eq!((&module["cpu_ms"], &module["wall_ms"], &module["concurrency"]), (&json!(30), &json!(30), &json!(4)));
    assert_eq!((&module["body_bytes"], &module["hostcall_bytes"]), (&json!(1000), &json!(1000 + (1 << 20))));

    let scenario = |name: &'static str, length: usize| {
        let request = http::Request::post(gateway.url("/")).header("x-scenario", name);
        async move { send(&client(), request.body(body::full("b".repeat(length))).unwrap()).await.status.as_u16() }
    };
    assert_eq!((scenario("none", 1000).await, scenario("none", 1001).await), (200, 413));
    assert_eq!(scenario("loop", 0).await, 504);
    let metrics = list(&gateway).await["metrics"].clone();
    assert_eq!(metrics["failed_executions"], 2, "{metrics}");
    assert!(metrics["max_execution_time_ms"].as_u64().unwrap() >= 25, "{metrics}");

    let error = gateway.try_reload("routes: []\nwasm_runtime: { max_stack_size: 2MiB }").unwrap_err();
    assert_eq!(error.to_string(), "`wasm_runtime.max_stack_size` cannot change on reload; restart the gateway");
}

#[tokio::test]
async fn a_module_that_wants_more_memory_is_told_the_setting() {
    let runtime = "wasm_runtime: { max_memory_pages: 1 }";
    let (_upstream, directory, gateway) = gateway(&[("auth.wasm", SGL_AUTH)], runtime).await;
    let answer = deploy(&gateway, &[module("auth", &directory.path().join("auth.wasm"), &["OnRequest"])]).await;
    let error = answer.json()["modules"][0]["add_result"]["Error"].as_str().unwrap().to_owned();
    assert!(error.contains("`limits.memory` is 65536 bytes"), "{error}");
    assert!(error.ends_with("it is set by `wasm_runtime.max_memory_pages` (pages of 65536 bytes)"), "{error}");
}

#[tokio::test]
async fn a_root_on_the_command_line_is_enough() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("auth.wasm", SGL_AUTH)]);
    let (url, root) = (format!("http://{}", upstream.address), directory.path().to_str().unwrap());
    let arguments =
        ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &url, "--wasm-root", root];
    let mut running = Running::start(&arguments);
    let address = running.address();
    let body = json!({ "modules": [module("auth", &directory.path().join("auth.wasm"), &["OnRequest"])] }).to_string();
    let answer = call(&running.admin_address(), Method::POST, "/wasm", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(get(&format!("http://{address}/api/x")).await.status, 401);
    assert_eq!(get(&format!("http://{address}/")).await.status, 200);
}

#[tokio::test]
async fn a_reload_of_the_config_removes_modules() {
    let (upstream, directory, gateway) = gateway(&[("auth.wasm", SGL_AUTH)], "").await;
    let answer = deploy(&gateway, &[module("auth", &directory.path().join("auth.wasm"), &["OnRequest"])]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    gateway.try_reload(&Plugged::to(upstream.address).text().replace("plugins:", "")).unwrap();
    assert_eq!(list(&gateway).await["modules"], json!([]));
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
        ("wasm_runtime: { max_memory: 1 }", "wasm_runtime: unknown key `max_memory`"),
        ("wasm_runtime: { pool: { mode: shared } }", "wasm_runtime.pool.mode: expected one of `fresh`, `reuse`"),
        ("wasm_roots: [plugins]", "wasm_roots[0]: `plugins` is not an absolute path"),
    ] {
        let error = refgateway::config::Config::from_yaml(&format!("{base}{text}"), &|_| None).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
}
