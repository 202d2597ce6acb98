use http::{Method, Request};
use serde_json::{Value, json};
use test_guests::{NATIVE_CONFIGURE, NATIVE_COUNT, NATIVE_GATE};

use super::{get_with, plugins};
use crate::support::*;

async fn gateway() -> (Upstream, Gateway) {
    let upstream = Upstream::echo().await;
    let gateway = Plugged::to(upstream.address).through("gate", NATIVE_GATE, "config: { token: s3cr3t-token }").start();
    (upstream, gateway)
}

async fn call(gateway: &Gateway, method: Method, path: &str, body: impl Into<bytes::Bytes>) -> Answer {
    let url = format!("http://{}{path}", gateway.admin());
    send(&client(), Request::builder().method(method).uri(url).body(body::full(body)).unwrap()).await
}

async fn put(gateway: &Gateway, body: &Value) -> Answer {
    call(gateway, Method::PUT, "/api/plugins/gate", body.to_string()).await
}

async fn load(gateway: &Gateway, body: &Value) -> Answer {
    call(gateway, Method::POST, "/api/plugins", body.to_string()).await
}

async fn through(gateway: &Gateway, token: &str) -> u16 {
    get_with(&gateway.url("/"), &[("x-token", token)]).await.status.as_u16()
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn plugins_are_listed_and_shown_without_their_config() {
    let (_upstream, gateway) = gateway().await;
    assert_eq!(through(&gateway, "s3cr3t-token").await, 200);
    let list = plugins(&gateway).await;
    let shown = call(&gateway, Method::GET, "/api/plugins/gate", "").await;
    assert_eq!(shown.json(), list[0]);
    assert!(!shown.text().contains("s3cr3t"), "{shown:?}");
    let plugin = shown.json();
    for (key, value) in [
        ("name", json!("gate")),
        ("state", json!("active")),
        ("reason", json!(null)),
        ("version", json!(1)),
        ("file", json!(NATIVE_GATE)),
        ("priority", json!(0)),
        ("abi", json!("native")),
        ("phases", json!(["request"])),
    ] {
        assert_eq!(plugin[key], value, "{key}");
    }
    for (limit, value) in
        [("cpu_ms", json!(50)), ("memory", json!(64 << 20)), ("fuel", json!(null)), ("log_rate", json!(1000))]
    {
        assert_eq!(plugin["limits"][limit], value, "{limit}");
    }
    assert_eq!((&plugin["stats"]["executions"], &plugin["stats"]["active"]), (&json!(1), &json!(0)));
    assert!(plugin["digest"].as_str().unwrap().starts_with("sha256:"), "{plugin}");
}

#[tokio::test]
async fn a_plugin_is_loaded_into_routes_and_unloaded() {
    let (_upstream, gateway) = gateway().await;
    let count = json!({ "plugin": { "name": "count", "file": NATIVE_COUNT, "priority": -1 }, "routes": ["all"] });
    let answer = load(&gateway, &count).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (201, &json!("active")));
    assert_eq!(get(&gateway.url("/")).await.text(), "1");

    let again = load(&gateway, &count).await;
    let taken = "there is a plugin `count`; replace it with PUT /api/plugins/count";
    assert_eq!(error(&again), (409, taken.to_owned()));

    let gone = call(&gateway, Method::DELETE, "/api/plugins/count", "").await;
    assert_eq!(gone.json(), json!({ "name": "count", "state": "gone" }));
    assert_eq!(get(&gateway.url("/")).await.text(), "closed");
    let unknown = call(&gateway, Method::DELETE, "/api/plugins/count", "").await;
    assert_eq!(error(&unknown), (404, "there is no plugin `count`".to_owned()));

    let everywhere = json!({ "plugin": { "name": "a count", "file": NATIVE_COUNT, "priority": -1 }, "routes": ["*"] });
    assert_eq!(load(&gateway, &everywhere).await.status, 201);
    assert_eq!(get(&gateway.url("/")).await.text(), "1");
    assert_eq!(call(&gateway, Method::DELETE, "/api/plugins/a%20count", "").await.status, 200);
    assert_eq!(get(&gateway.url("/")).await.text(), "closed");
}

#[tokio::test]
async fn what_does_not_load_changes_nothing() {
    let (_upstream, gateway) = gateway().await;
    let (_directory, broken) = file("broken.wasm", "no plugin");
    for (addition, reason) in [
        (
            json!({ "plugin": { "name": "p", "file": NATIVE_COUNT }, "routes": ["nowhere"] }),
            "there is no route `nowhere`",
        ),
        (json!({ "plugin": { "name": "p", "file": broken }, "routes": ["all"] }), "not a WebAssembly file"),
        (json!({ "plugin": { "name": "p", "file": "/nowhere/p.wasm" } }), "cannot read plugin file /nowhere/p.wasm"),
        (json!({ "plugin": { "name": "", "file": NATIVE_COUNT } }), "plugins[1].name: a name is needed"),
        (
            json!({ "plugin": { "name": "p", "file": NATIVE_COUNT, "grants": { "upstreams": ["bakend"] } } }),
            "plugins[1].grants.upstreams[0]: no service is called `bakend`, did you mean `backend`?",
        ),
    ] {
        let (status, text) = error(&load(&gateway, &addition).await);
        assert_eq!(status, 422);
        assert!(text.contains(reason), "{text}");
    }
    assert_eq!(plugins(&gateway).await.len(), 1);
    assert_eq!(through(&gateway, "s3cr3t-token").await, 200);
}

#[tokio::test]
async fn a_plugin_is_replaced() {
    let (_upstream, gateway) = gateway().await;
    let answer = put(&gateway, &json!({ "name": "gate", "file": NATIVE_GATE, "config": { "token": "new" } })).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["version"]), (200, &json!(2)));
    assert_eq!((through(&gateway, "s3cr3t-token").await, through(&gateway, "new").await), (403, 200));

    let other = put(&gateway, &json!({ "name": "door", "file": NATIVE_GATE })).await;
    let reason = "the plugin in the body is called `door`, the one in the path `gate`";
    assert_eq!(error(&other), (422, reason.to_owned()));

    let (status, reason) = error(&put(&gateway, &json!({ "name": "gate", "file": "/nowhere/g.wasm" })).await);
    assert_eq!(status, 422);
    assert!(reason.starts_with("plugin `gate`: cannot read plugin file /nowhere/g.wasm: "), "{reason}");
    assert_eq!(through(&gateway, "new").await, 200);
    let plugin = &plugins(&gateway).await[0];
    assert_eq!(
        (&plugin["state"], &plugin["reason"], &plugin["version"]),
        (&json!("degraded"), &json!(reason), &json!(2))
    );

    let body = json!({ "name": "nobody", "file": NATIVE_GATE }).to_string();
    let unknown = call(&gateway, Method::PUT, "/api/plugins/nobody", body).await;
    assert_eq!(error(&unknown), (404, "there is no plugin `nobody`".to_owned()));
}

#[tokio::test]
async fn a_plugin_is_switched_off_and_on() {
    let (_upstream, gateway) = gateway().await;
    let off = call(&gateway, Method::POST, "/api/plugins/gate/disable", "").await;
    assert_eq!((off.status.as_u16(), &off.json()["state"]), (200, &json!("disabled")));
    assert_eq!(through(&gateway, "").await, 200);
    let on = call(&gateway, Method::POST, "/api/plugins/gate/enable", "").await;
    assert_eq!((on.status.as_u16(), &on.json()["state"]), (200, &json!("active")));
    assert_eq!(through(&gateway, "").await, 403);
    let again = call(&gateway, Method::POST, "/api/plugins/gate/enable", "").await;
    assert_eq!(again.json()["version"], on.json()["version"]);
    let unknown = call(&gateway, Method::POST, "/api/plugins/nobody/disable", "").await;
    assert_eq!(error(&unknown), (404, "there is no plugin `nobody`".to_owned()));
}

#[tokio::test]
async fn one_broken_plugin_does_not_stop_changes_of_others() {
    let upstream = Upstream::echo().await;
    let gateway = Plugged::to(upstream.address)
        .through("gate", NATIVE_GATE, "config: { token: open }")
        .through("broken", "/nowhere/p.wasm", "")
        .start();
    assert_eq!(call(&gateway, Method::POST, "/api/plugins/gate/disable", "").await.status, 200);
    assert_eq!(get(&gateway.url("/")).await.status, 503);
    assert_eq!(plugins(&gateway).await[1]["state"], "degraded");
    assert_eq!(call(&gateway, Method::DELETE, "/api/plugins/broken", "").await.status, 200);
    assert_eq!(get(&gateway.url("/")).await.status, 200);
}

#[tokio::test]
async fn bad_bodies_are_400_and_not_repeated() {
    let (_upstream, gateway) = gateway().await;
    for (body, reason) in [
        ("{", "the body: not valid JSON: EOF while parsing an object at line 1 column 1"),
        ("", "the body: not valid JSON: EOF while parsing a value at line 1 column 0"),
        ("[\"s3cr3t\"]", "the body: [0]: expected struct Plugin, found text"),
        ("{}", "the body: `plugin` is missing"),
        (r#"{"plugin": "s3cr3t"}"#, "the body: plugin: expected struct Plugin, found text"),
        (r#"{"plugin": {"name": "p"}}"#, "the body: plugin: `file` is missing"),
        (
            r#"{"plugin": {"name": "p", "file": "f", "limits": {"memry": "1MiB"}}}"#,
            "the body: plugin.limits: unknown key `memry`, did you mean `memory`?",
        ),
        (
            r#"{"plugin": {"name": "p", "file": "f", "on_failure": {"default": "s3cr3t"}}}"#,
            "the body: plugin.on_failure.default: expected `closed`, `closed(STATUS)` with a status from 400 to 599, \
             `open`, `open+tag`, `open+tag(HEADER)`, `retry-fresh` or a map with `closed`",
        ),
        (
            r#"{"plugin": {"name": "p", "file": "f"}, "route": ["all"]}"#,
            "the body: unknown key `route`, did you mean `routes`?",
        ),
    ] {
        let answer = call(&gateway, Method::POST, "/api/plugins", body).await;
        assert_eq!(error(&answer), (400, reason.to_owned()), "{body}");
    }
    let escape = call(&gateway, Method::GET, "/api/plugins/%zz", "").await;
    assert_eq!(error(&escape), (400, "the path is not percent-encoded UTF-8".to_owned()));
}

#[tokio::test]
async fn wrong_methods_and_paths_are_told_what_there_is() {
    let (_upstream, gateway) = gateway().await;
    for (method, path, allow) in [
        (Method::DELETE, "/api/plugins", "GET, HEAD, POST"),
        (Method::POST, "/api/plugins/gate", "GET, HEAD, PUT, DELETE"),
        (Method::GET, "/api/plugins/gate/disable", "POST"),
    ] {
        let answer = call(&gateway, method, path, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allow)));
        assert_eq!(error(&answer).1, format!("only {allow}"));
    }
    for path in ["/api/plugins/gate/explode", "/api/plugins/gate/enable/now", "/api/pluginsx"] {
        let answer = call(&gateway, Method::POST, path, "").await;
        assert_eq!(error(&answer), (404, format!("there is no {path}")));
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let (_upstream, gateway) = gateway().await;
    let head = format!(
        "POST /api/plugins HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        (1 << 20) + 1
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + (1 << 20) + 1, b' ');
    let answer = raw(gateway.admin(), &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#"{"error":"the body is larger than 1 MiB, or broke off"}"#), "{answer}");
}

#[tokio::test]
async fn web_pages_change_nothing() {
    let (_upstream, gateway) = gateway().await;
    let url = format!("http://{}/api/plugins/gate/disable", gateway.admin());
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("host", "evil.example:9901"),
        ("origin", "null"),
    ] {
        let request = Request::post(&url).header(name, value).body(body::empty()).unwrap();
        let answer = send(&client(), request).await;
        assert_eq!(error(&answer), (403, "requests of web pages need an admin token".to_owned()), "{name}: {value}");
    }
    assert_eq!(plugins(&gateway).await[0]["state"], "active");
}

#[tokio::test]
async fn what_a_guest_says_about_its_config_holds_no_values() {
    let (_upstream, gateway) = gateway().await;
    let config = json!({ "status": "s3cr3t-status" });
    let addition = json!({ "plugin": { "name": "p", "file": NATIVE_CONFIGURE, "config": config }, "routes": ["all"] });
    let (status, reason) = error(&load(&gateway, &addition).await);
    assert_eq!(status, 422);
    assert!(
        reason.starts_with(
            "plugin `p` refuses its config: invalid type: string \"[the value of /status]\", expected u16"
        ),
        "{reason}"
    );
    assert!(!format!("{:?}", gateway.handle.gateway()).contains("s3cr3t"));
}

#[tokio::test]
async fn a_token_is_needed_for_changes_too_when_there_is_one() {
    let upstream = Upstream::echo().await;
    let chain = Plugged::to(upstream.address).through("gate", NATIVE_GATE, "config: { token: open }");
    let token = "admin: { address: '127.0.0.1:0', token: s3cr3t-admin-token }";
    let gateway = Gateway::start(&format!("{}{token}", chain.text()));
    let disable = async |authorization: &str| {
        let url = format!("http://{}/api/plugins/gate/disable", gateway.admin());
        let request = Request::post(url).header("authorization", authorization).header("origin", "https://a.example");
        send(&client(), request.body(body::empty()).unwrap()).await
    };
    assert_eq!(disable("Bearer wrong").await.status, 401);
    assert_eq!(through(&gateway, "").await, 403);
    assert_eq!(disable("Bearer s3cr3t-admin-token").await.status, 200);
    assert_eq!(through(&gateway, "").await, 200);
}

#[tokio::test]
async fn a_change_is_undone_by_a_reload_of_the_config() {
    let upstream = Upstream::echo().await;
    let chain = Plugged::to(upstream.address).through("gate", NATIVE_GATE, "config: { token: open }");
    let gateway = chain.start();
    call(&gateway, Method::POST, "/api/plugins/gate/disable", "").await;
    let count = json!({ "plugin": { "name": "count", "file": NATIVE_COUNT }, "routes": ["all"] });
    assert_eq!(load(&gateway, &count).await.status, 201);
    gateway.try_reload(&chain.text()).unwrap();
    let list = plugins(&gateway).await;
    assert_eq!((list.len(), &list[0]["state"]), (1, &json!("active")));
    assert_eq!(through(&gateway, "").await, 403);
}

#[tokio::test]
async fn a_change_looks_at_no_other_plugin_s_file() {
    let upstream = Upstream::echo().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("count.wasm");
    std::fs::copy(NATIVE_COUNT, &path).unwrap();
    let gateway = Plugged::to(upstream.address)
        .through("gate", NATIVE_GATE, "config: { token: open }")
        .through("count", path.to_str().unwrap(), "")
        .start();
    std::fs::write(&path, "half a file").unwrap();
    assert_eq!(call(&gateway, Method::POST, "/api/plugins/gate/disable", "").await.status, 200);
    assert_eq!(get(&gateway.url("/")).await.text(), "1");
    assert_eq!(plugins(&gateway).await[1]["state"], "active");
}
