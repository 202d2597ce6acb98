use std::path::{Path, PathBuf};

use http::Response;
use test_guests::{NATIVE_CONFIGURE, NATIVE_COUNT, NATIVE_GATE, NATIVE_SHARE};
use tokio::sync::mpsc;

use super::{get_with, plugins};
use crate::support::*;

/// A file whose content a test changes.
struct PluginFile {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl PluginFile {
    fn copy_of(guest: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = Self { path: directory.path().join("plugin.wasm"), _directory: directory };
        file.becomes(guest);
        file
    }

    fn becomes(&self, guest: &str) {
        std::fs::copy(Path::new(guest), &self.path).unwrap();
    }

    fn breaks(&self) {
        std::fs::write(&self.path, "no plugin").unwrap();
    }

    fn text(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

fn two_routes(upstream: &Upstream, file: &str) -> String {
    format!(
        "routes:\n\
         \x20 - {{ name: guarded, match: {{ path: /guarded }}, service: b, chain: [p] }}\n\
         \x20 - {{ name: rest, service: b }}\n\
         services: [{{ name: b, upstreams: [{{ url: 'http://{}' }}] }}]\n\
         plugins: [{{ name: p, file: '{file}', config: {{ token: open }} }}]\n",
        upstream.address
    )
}

#[tokio::test]
async fn a_plugin_that_does_not_load_closes_its_routes_only() {
    let upstream = Upstream::echo().await;
    let broken = PluginFile::copy_of(NATIVE_COUNT);
    broken.breaks();
    let not_wasm = "not a WebAssembly file: it starts with [6e, 6f, 20, 70]; a plugin is a component or a core module \
                    in the binary format";
    for (file, reason) in [
        ("/nowhere/p.wasm", "plugin `p`: cannot read plugin file /nowhere/p.wasm: ".to_owned()),
        (broken.text(), format!("plugin `p`: {}: {not_wasm}", broken.text())),
    ] {
        let gateway = Gateway::start(&two_routes(&upstream, file));
        assert_eq!(get(&gateway.url("/guarded")).await.status, 503);
        assert_eq!(get(&gateway.url("/else")).await.status, 200);
        let plugin = &plugins(&gateway).await[0];
        assert_eq!(plugin["state"], "degraded");
        assert!(plugin["reason"].as_str().unwrap().starts_with(&reason), "{plugin}");
    }
}

#[tokio::test]
async fn a_plugin_that_does_not_load_may_be_open() {
    let upstream = Upstream::echo().await;
    let more = "on_failure: { not-loaded: 'open+tag' }";
    let gateway = Plugged::to(upstream.address).through("p", "/nowhere/p.wasm", more).start();
    let answer = get(&gateway.url("/")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["headers"]["x-plugin-failure"][0], "p;not-loaded");
}

#[tokio::test]
async fn a_reload_mends_what_did_not_load() {
    let upstream = Upstream::echo().await;
    let file = PluginFile::copy_of(NATIVE_GATE);
    file.breaks();
    let text = two_routes(&upstream, file.text());
    let gateway = Gateway::start(&text);
    assert_eq!(get(&gateway.url("/guarded")).await.status, 503);
    assert!(gateway.try_reload(&text).is_err());
    file.becomes(NATIVE_GATE);
    gateway.try_reload(&text).unwrap();
    assert_eq!(get(&gateway.url("/guarded")).await.status, 403);
    let plugin = &plugins(&gateway).await[0];
    assert_eq!((&plugin["state"], &plugin["reason"]), (&"active".into(), &serde_json::Value::Null));
}

#[tokio::test]
async fn a_reload_with_a_broken_plugin_changes_nothing() {
    let (upstream, other) = (Upstream::echo().await, Upstream::saying("other").await);
    let file = PluginFile::copy_of(NATIVE_GATE);
    let text = two_routes(&upstream, file.text());
    let gateway = Gateway::start(&text);

    file.breaks();
    let error = gateway.try_reload(&two_routes(&other, file.text())).unwrap_err().to_string();
    let start = format!("plugin `p`: {}: not a WebAssembly file: ", file.text());
    assert!(error.starts_with(&start), "{error}");
    let ask = async |token| get_with(&gateway.url("/guarded"), &[("x-token", token)]).await;
    assert_eq!((ask("wrong").await.status.as_u16(), ask("open").await.status.as_u16()), (403, 200));
    assert_ne!(get(&gateway.url("/else")).await.text(), "other");
    let plugin = &plugins(&gateway).await[0];
    assert_eq!(
        (&plugin["state"], &plugin["reason"], &plugin["version"]),
        (&"degraded".into(), &error.into(), &1.into())
    );

    file.becomes(NATIVE_GATE);
    gateway.try_reload(&text).unwrap();
    let plugin = &plugins(&gateway).await[0];
    assert_eq!((&plugin["state"], &plugin["version"]), (&"active".into(), &1.into()));
}

#[tokio::test]
async fn every_plugin_that_does_not_load_is_named_at_once() {
    let upstream = Upstream::echo().await;
    let chain = Plugged::to(upstream.address);
    let gateway = chain.clone().through("fine", NATIVE_COUNT, "").start();
    let refused = chain.through("gone", "/nowhere/a.wasm", "").through("fine", NATIVE_COUNT, "").through(
        "picky",
        NATIVE_CONFIGURE,
        "config: { state: 1 }",
    );
    let error = gateway.try_reload(&refused.text()).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(lines[0].starts_with("plugin `gone`: cannot read plugin file /nowhere/a.wasm: "), "{error}");
    assert!(lines[1].starts_with("plugin `picky` refuses its config: unknown field `state`"), "{error}");
    assert_eq!(get(&gateway.url("/")).await.text(), "1");
}

#[tokio::test]
async fn a_plugin_that_stays_the_same_keeps_its_instances() {
    let upstream = Upstream::echo().await;
    let counting = |more: &str| Plugged::to(upstream.address).through("count", NATIVE_COUNT, more);
    let same = counting("pool: { mode: reuse }");
    let gateway = same.start();
    assert_eq!(get(&gateway.url("/")).await.text(), "1");
    gateway.try_reload(&same.text()).unwrap();
    assert_eq!(get(&gateway.url("/")).await.text(), "2");
    assert_eq!(plugins(&gateway).await[0]["version"], 1);

    gateway.try_reload(&counting("pool: { mode: reuse }, config: { changed: true }").text()).unwrap();
    assert_eq!(get(&gateway.url("/")).await.text(), "1");
    assert_eq!(plugins(&gateway).await[0]["version"], 2);
}

#[tokio::test]
async fn a_file_that_changed_is_another_version() {
    let upstream = Upstream::echo().await;
    let file = PluginFile::copy_of(NATIVE_COUNT);
    let chain = Plugged::to(upstream.address).through("p", file.text(), "config: { token: open }");
    let gateway = chain.start();
    assert_eq!(get(&gateway.url("/")).await.text(), "1");
    let before = plugins(&gateway).await[0]["digest"].clone();
    file.becomes(NATIVE_GATE);
    // Until the reload the old code serves.
    assert_eq!(get(&gateway.url("/")).await.text(), "1");
    gateway.try_reload(&chain.text()).unwrap();
    assert_eq!(get(&gateway.url("/")).await.text(), "closed");
    let plugin = &plugins(&gateway).await[0];
    assert_eq!(plugin["version"], 2);
    assert_ne!(plugin["digest"], before);
}

#[tokio::test]
async fn requests_in_flight_finish_on_the_old_chain() {
    let (arrived, mut has_arrived) = mpsc::unbounded_channel();
    let (release, released) = tokio::sync::watch::channel(false);
    let upstream = Upstream::start(move |_| {
        let (arrived, mut released) = (arrived.clone(), released.clone());
        async move {
            arrived.send(()).unwrap();
            released.wait_for(|released| *released).await.unwrap();
            Response::new(body::empty())
        }
    })
    .await;
    let sharing = |name: &str| {
        Plugged::to(upstream.address).through("share", NATIVE_SHARE, &format!("config: {{ name: {name} }}"))
    };
    let gateway = sharing("old").start();
    let url = gateway.url("/");
    let in_flight = tokio::spawn(async move { get(&url).await });
    has_arrived.recv().await.unwrap();
    gateway.try_reload(&sharing("new").text()).unwrap();
    release.send(true).unwrap();
    assert_eq!(in_flight.await.unwrap().header("x-trail"), Some("oldold"));
    assert_eq!(get(&gateway.url("/")).await.header("x-trail"), Some("newnew"));
}
