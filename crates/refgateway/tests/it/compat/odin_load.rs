//! `/api/plugins/load` and `/api/plugins/unload/{name}`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::Method;
use serde_json::json;
use test_guests::{NATIVE_COUNT, NATIVE_OBSERVE};

use super::{call, directory_of, states};
use crate::support::*;

fn admin(gateway: &Gateway) -> String {
    gateway.admin().to_string()
}

async fn load(gateway: &Gateway, body: &serde_json::Value) -> Answer {
    call(&admin(gateway), Method::POST, "/api/plugins/load", body.to_string()).await
}

async fn unload(gateway: &Gateway, name: &str) -> Answer {
    call(&admin(gateway), Method::DELETE, &format!("/api/plugins/unload/{name}"), "").await
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_plugin_is_loaded_and_unloaded() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let loaded = load(&gateway, &json!({ "name": "count", "path": NATIVE_COUNT })).await;
    assert_eq!((loaded.status.as_u16(), &loaded.json()["state"]), (201, &json!("active")));
    assert_eq!((get(&gateway.url("/")).await.text(), get(&gateway.url("/")).await.text()), ("1", "2"));
    let (status, reason) = error(&load(&gateway, &json!({ "name": "count", "path": NATIVE_COUNT })).await);
    assert_eq!(status, 409);
    assert!(reason.starts_with("there is a plugin `count`"), "{reason}");

    let gone = unload(&gateway, "count").await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, json!({ "name": "count", "state": "gone" })));
    assert_eq!(get(&gateway.url("/")).await.json()["method"], "GET");
    assert_eq!(error(&unload(&gateway, "count").await), (404, "there is no plugin `count`".to_owned()));
}

#[tokio::test]
async fn what_the_config_says_for_all_counts_for_it() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("count.wasm", NATIVE_COUNT)]);
    let section = format!(
        "wasm: {{ pluginDir: {}, maxMemoryPages: 20, maxInstances: 3, timeout: 700ms }}",
        directory.path().display()
    );
    let gateway = Gateway::with(upstream.address, &section);
    let more = json!({ "name": "count", "path": "count.wasm", "priority": 4, "allowedUrls": ["^/counted$"] });
    let limits = load(&gateway, &more).await.json()["limits"].clone();
    assert_eq!((&limits["memory"], &limits["concurrency"]), (&json!(20 * 65_536), &json!(3)));
    assert_eq!((&limits["cpu_ms"], &limits["wall_ms"]), (&json!(700), &json!(700)));
    assert_eq!(get(&gateway.url("/counted")).await.text(), "1");
    assert_eq!(get(&gateway.url("/counted/not")).await.json()["method"], "GET");
}

#[tokio::test]
async fn what_does_not_load_says_why_and_changes_nothing() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::with(upstream.address, "wasm: { maxMemoryPages: 1 }");
    let (_directory, text) = file("text.wasm", "text");
    for (body, status, reason) in [
        ("{".to_owned(), 400, "the body: not valid JSON: "),
        ("[]".to_owned(), 400, "the body: "),
        (json!({ "name": "p" }).to_string(), 400, "the body: `path` is missing"),
        (json!({ "name": 1, "path": "p" }).to_string(), 400, "the body: name: expected a string"),
        (json!({ "name": "p", "path": "p", "kind": 1 }).to_string(), 400, "the body: unknown key `kind`"),
        (json!({ "name": "p", "path": "p", "type": "x" }).to_string(), 400, "the body: type: expected one of"),
        (json!({ "name": "", "path": NATIVE_COUNT }).to_string(), 422, "plugins[0].name: a name is needed"),
        (json!({ "name": "p", "path": "/nowhere.wasm" }).to_string(), 422, "plugin `p`: cannot read plugin file"),
        (json!({ "name": "p", "path": text }).to_string(), 422, "plugin `p`: "),
        (
            json!({ "name": "p", "path": NATIVE_COUNT, "allowedUrls": ["("] }).to_string(),
            422,
            "plugins[0].allowedUrls[0]: not a regular expression",
        ),
        (
            json!({ "name": "p", "path": NATIVE_COUNT, "type": "auth", "services": ["users"] }).to_string(),
            422,
            "plugins[0].services[0]: no service is called `users`, and a plugin of type `auth` that is not called keeps \
             nobody out; services there are: `backend`",
        ),
        (
            json!({ "name": "p", "path": NATIVE_COUNT, "type": "aggregation", "services": ["users"] }).to_string(),
            422,
            "plugins[0].services[0]: no service is called `users`",
        ),
    ] {
        let answer = call(&admin(&gateway), Method::POST, "/api/plugins/load", body.clone()).await;
        let (found, text) = error(&answer);
        assert_eq!(found, status, "{body}: {text}");
        assert!(text.starts_with(reason), "{text}");
    }
    let (status, reason) = error(&load(&gateway, &json!({ "name": "p", "path": NATIVE_OBSERVE })).await);
    assert_eq!(status, 422);
    assert!(reason.contains("bytes of memory, `limits.memory` is 65536 bytes"), "{reason}");
    assert!(reason.ends_with("it is set by `wasm.maxMemoryPages` (pages of 65536 bytes)"), "{reason}");
    assert!(states(&admin(&gateway)).await.is_empty());
    assert_eq!(get(&gateway.url("/")).await.status, 200);
}

#[tokio::test]
async fn one_that_keeps_nobody_out_may_be_for_services_that_there_are_not() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let loaded = load(&gateway, &json!({ "name": "count", "path": NATIVE_COUNT, "services": ["elsewhere"] })).await;
    assert_eq!(loaded.status, 201, "{loaded:?}");
    assert_eq!(get(&gateway.url("/")).await.json()["method"], "GET");
}

#[tokio::test]
async fn plugins_may_be_called_like_the_paths() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let admin = admin(&gateway);
    for name in ["load", "unload", "enable"] {
        assert_eq!(load(&gateway, &json!({ "name": name, "path": NATIVE_OBSERVE })).await.status, 201);
    }
    for name in ["load", "unload"] {
        let shown = call(&admin, Method::GET, &format!("/api/plugins/{name}"), "").await;
        assert_eq!(shown.json()["name"], name);
        let disabled = call(&admin, Method::POST, &format!("/api/plugins/{name}/disable"), "").await;
        assert_eq!(disabled.json()["state"], "disabled");
    }
    assert_eq!(unload(&gateway, "enable").await.status, 200);
    assert_eq!(call(&admin, Method::DELETE, "/api/plugins/load", "").await.status, 200);
    assert_eq!(unload(&gateway, "unload").await.status, 200);
    assert!(states(&admin).await.is_empty());
    assert_eq!(call(&admin, Method::GET, "/api/plugins/unload/x", "").await.status, 404);
}

#[tokio::test]
async fn a_reload_of_the_config_undoes_it() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    load(&gateway, &json!({ "name": "count", "path": NATIVE_COUNT })).await;
    assert_eq!(get(&gateway.url("/")).await.text(), "1");
    let same = format!(
        "routes: [{{ name: all, service: backend }}]\n\
         services: [{{ name: backend, upstreams: [{{ url: 'http://{}' }}] }}]",
        upstream.address
    );
    gateway.try_reload(&same).unwrap();
    assert!(states(&admin(&gateway)).await.is_empty());
    assert_eq!(get(&gateway.url("/")).await.json()["method"], "GET");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_dropped_while_plugins_come_and_go() {
    let upstream = Upstream::saying("fine").await;
    let gateway = Gateway::to(upstream.address);
    let url = gateway.url("/");
    let stop = Arc::new(AtomicBool::new(false));
    let traffic: Vec<_> = (0..4)
        .map(|_| {
            let (stop, url) = (Arc::clone(&stop), url.clone());
            tokio::spawn(async move {
                let client = client();
                let (mut answered, mut failed) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let answer = send(&client, http::Request::get(&url).body(body::empty()).unwrap()).await;
                    answered += 1;
                    if (answer.status.as_u16(), answer.text()) != (200, "fine") {
                        failed.push(answer);
                    }
                }
                (answered, failed)
            })
        })
        .collect();
    for round in 0..20 {
        let (name, before) = (format!("look-{round}"), upstream.requests());
        let loaded = load(&gateway, &json!({ "name": name, "path": NATIVE_OBSERVE })).await;
        assert_eq!(loaded.status, 201, "{loaded:?}");
        let path = format!("/api/plugins/{name}");
        until(async || call(&admin(&gateway), Method::GET, &path, "").await.json()["stats"]["executions"] != 0).await;
        assert_eq!(unload(&gateway, &name).await.status, 200);
        assert!(upstream.requests() > before);
    }
    stop.store(true, Ordering::Relaxed);
    for client in traffic {
        let (answered, failed) = client.await.unwrap();
        assert!(answered > 20 && failed.is_empty(), "{answered} answered, failed: {failed:?}");
    }
}
