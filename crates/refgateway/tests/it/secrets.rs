//! Secrets of plugins: from where they are to the plugin, and nowhere else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use http::{Method, Request};
use refgateway::config::Config;
use serde_json::{Value, json};
use test_guests::{NATIVE_COUNT, NATIVE_EDIT, NATIVE_LEAK};

use crate::support::*;

/// What must not be seen, as it is and as it is where it is quoted.
const SECRET: &str = "s3cr3t\"v\\alue";
const TRACE: &str = "s3cr3t";

/// A directory with secrets that a test changes.
struct Secrets(tempfile::TempDir);

impl Secrets {
    fn with(name: &str, value: &str) -> Self {
        let secrets = Self(tempfile::tempdir().unwrap());
        secrets.set(name, value);
        secrets
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn set(&self, name: &str, value: &str) {
        // A reader sees the old or the new, as with any careful writer.
        fs::write(self.path(".new"), value).unwrap();
        fs::rename(self.path(".new"), self.path(name)).unwrap();
    }

    fn directory(&self) -> &Path {
        self.0.path()
    }
}

fn leaking(config: &str) -> String {
    format!("config: {config}, grants: {{ secrets: [token], metrics: true }}")
}

fn config(upstream: std::net::SocketAddr, plugin: &str, secrets: &str) -> String {
    let plugged = Plugged::to(upstream).through("leak", NATIVE_LEAK, plugin);
    format!("{}{secrets}\nsecrets_interval: 10ms\n", plugged.text())
}

async fn told(gateway: &Gateway) -> String {
    let request = Request::get(gateway.url("/")).header("x-do", "respond").body(body::empty()).unwrap();
    let answer = send(&client(), request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().to_owned()
}

async fn leak(gateway: &Gateway) -> Value {
    get(&format!("http://{}/api/plugins/leak", gateway.admin())).await.json()
}

#[tokio::test]
async fn a_secret_is_seen_nowhere() {
    let (upstream, dead) = (Upstream::echo().await, closed_port().await);
    let secrets = Secrets::with("token", &format!("{SECRET}\n"));
    let plugin = |name: &str, config: &str, more: &str| {
        format!("  - {{ name: {name}, file: '{NATIVE_LEAK}', {}, {more} }}\n", leaking(config))
    };
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nadmin: {{ address: '127.0.0.1:0' }}\nworkers: 1\n\
         secrets_dir: '{}'\n\
         routes:\n\
         \x20 - {{ name: dead, service: dead, match: {{ path_prefix: /dead }}, chain: [leak] }}\n\
         \x20 - {{ name: refusing, service: live, match: {{ path_prefix: /refusing }}, chain: [refusing] }}\n\
         \x20 - {{ name: all, service: live, chain: [leak] }}\n\
         services:\n\
         \x20 - {{ name: dead, upstreams: [{{ url: 'http://{dead}' }}] }}\n\
         \x20 - {{ name: live, upstreams: [{{ url: 'http://{}' }}] }}\n\
         plugins:\n{}{}{}{}",
        secrets.directory().display(),
        upstream.address,
        plugin("leak", "{ secret: 'secret://token', configure: log }", "on_failure: { expose_header: x-failure }"),
        plugin(
            "refusing",
            "{ secret: 'secret://token', configure: error }",
            "on_failure: { expose_header: x-failure }"
        ),
        plugin("panicking", "{ secret: 'secret://token', configure: panic }", ""),
        plugin("misfit", "{ secret: 'secret://token' }", "config_schema: { properties: { secret: { maxLength: 1 } } }"),
    );
    let (_directory, path) = file("gateway.yaml", &text);
    let mut gateway = Running::start(&["run", "--config", &path]);
    let (address, admin) = (gateway.address(), gateway.admin_address());

    let mut seen = Vec::new();
    for path in ["/", "/dead", "/refusing"] {
        for act in ["", "log", "print", "error", "panic", "exit", "metric", "choose", "path"] {
            let request = Request::get(format!("http://{address}{path}")).header("x-do", act).body(body::empty());
            let answer = send(&client(), request.unwrap()).await;
            // What the plugin sends to the upstream is its own affair: this one echoes it.
            if (path, act) != ("/", "path") {
                seen.push(format!("{answer:?}"));
            }
        }
    }
    for change in [
        json!({ "name": "leak", "file": NATIVE_LEAK, "config": { "secret": "secret://token", "configure": "error" },
                "grants": { "secrets": ["token"] } }),
        json!({ "name": "leak", "file": NATIVE_LEAK, "config": { "secret": "secret://token", "limit": "secret://token" },
                "grants": { "secrets": ["*"] } }),
        json!({ "name": "leak", "file": NATIVE_LEAK, "config": { "secret": "secret://token" } }),
    ] {
        let request = Request::builder().method(Method::PUT).uri(format!("http://{admin}/api/plugins/leak"));
        let answer = send(&client(), request.body(body::full(change.to_string())).unwrap()).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        seen.push(format!("{answer:?}"));
    }
    for path in [
        "/api/plugins",
        "/api/plugins/leak",
        "/api/plugins/refusing",
        "/api/routes",
        "/api/explain?path=/dead",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/nowhere",
    ] {
        let answer = get(&format!("http://{admin}{path}")).await;
        seen.push(answer.text().to_owned());
    }
    gateway.signal("-HUP");
    gateway.line("config not reloaded");
    let plugins = get(&format!("http://{admin}/api/plugins")).await.json();
    seen.push(plugins.to_string());
    let log = gateway.whole_log();
    let (code, stdout, stderr) = output(&["check", "--config", &path]);
    assert_eq!(code, Some(1), "{stdout}");
    seen.extend([log.clone(), stdout, stderr.clone()]);

    for text in &seen {
        assert!(!text.contains(TRACE), "{text}");
    }
    assert_eq!(plugins["plugins"][0]["secrets"], json!({ "/secret": "secret://token" }));
    for told in [
        "configured with [secret token]",
        "it is [secret token], or",
        "its name is the context",
        "denied the service `[secret token]`",
        "asked for a retry",
    ] {
        assert!(log.contains(told), "{told} in {log}");
    }
    assert!(seen.iter().any(|text| text.contains("told_total{") && text.contains("what=\"[secret token]\"")));
    for told in [
        "plugin `refusing` refuses its config: no use for [secret token]",
        "plugin `panicking` does not start: trap: ",
        "plugin `misfit` has a config that does not fit its schema: /secret: the value is longer than 1 character",
    ] {
        assert!(stderr.contains(told), "{told} in {stderr}");
    }
}

#[tokio::test]
async fn a_file_that_changes_reaches_the_plugin_and_drops_no_request() {
    let upstream = Upstream::echo().await;
    let secrets = Secrets::with("value", "one\n");
    let named = format!("secrets: {{ token: {{ file: '{}' }} }}", secrets.path("value").display());
    let gateway = Gateway::start(&config(upstream.address, &leaking("{ secret: 'secret://token' }"), &named));
    assert_eq!(told(&gateway).await, "one");

    let asking = async {
        let mut answers = vec![told(&gateway).await];
        while answers.last().unwrap() != "two" {
            answers.push(told(&gateway).await);
        }
        answers.dedup();
        answers
    };
    let changing = async { secrets.set("value", "two\n") };
    let (answers, ()) = tokio::join!(asking, changing);
    assert!(answers == ["one", "two"] || answers == ["two"], "{answers:?}");
    let plugin = leak(&gateway).await;
    assert_eq!((&plugin["version"], &plugin["state"]), (&json!(2), &json!("active")));
    assert_eq!(gateway.handle.gateway().engine.compilations(), 1);
}

#[tokio::test]
async fn a_secret_that_breaks_leaves_the_last_good_version_serving() {
    let upstream = Upstream::echo().await;
    let secrets = Secrets::with("token", "one");
    let directory = format!("secrets_dir: '{}'", secrets.directory().display());
    let gateway = Gateway::start(&config(upstream.address, &leaking("{ secret: 'secret://token' }"), &directory));

    let degraded = async || leak(&gateway).await["state"] == "degraded";
    fs::remove_file(secrets.path("token")).unwrap();
    until(&degraded).await;
    let reason = leak(&gateway).await["reason"].as_str().unwrap().to_owned();
    let place = secrets.path("token").display().to_string();
    assert_eq!(
        reason,
        format!(
            "plugin `leak` cannot have secrets that its config names: /secret: the secret `token`: there is no such \
             secret; looked for the file {place}"
        )
    );
    assert_eq!(told(&gateway).await, "one");

    // As it was: nothing is configured again.
    secrets.set("token", "one");
    until(async || leak(&gateway).await["state"] == "active").await;
    assert_eq!(leak(&gateway).await["version"], 1);

    // A reload that meets the broken secret is refused, and the secret mends the plugin later.
    fs::remove_file(secrets.path("token")).unwrap();
    until(&degraded).await;
    secrets.set("token", "two");
    until(async || told(&gateway).await == "two").await;
    assert_eq!(leak(&gateway).await["state"], "active");
}

#[tokio::test]
async fn a_secret_that_is_missing_at_the_start_mends_its_plugin_when_it_comes() {
    let upstream = Upstream::echo().await;
    let secrets = Secrets::with("other", "x");
    let directory = format!("secrets_dir: '{}'", secrets.directory().display());
    let gateway = Gateway::start(&config(upstream.address, &leaking("{ secret: 'secret://token' }"), &directory));
    assert_eq!(leak(&gateway).await["state"], "degraded");
    assert_eq!(get(&gateway.url("/")).await.status, 503);
    secrets.set("token", "one");
    until(async || leak(&gateway).await["state"] == "active").await;
    assert_eq!(told(&gateway).await, "one");
}

#[cfg(unix)]
#[tokio::test]
async fn a_mount_of_kubernetes_is_followed_when_it_turns() {
    use std::os::unix::fs::symlink;

    let upstream = Upstream::echo().await;
    let mount = tempfile::tempdir().unwrap();
    let path = |name: &str| mount.path().join(name);
    for (version, value) in [("..1", "one"), ("..2", "two")] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("token"), value).unwrap();
    }
    symlink("..1", path("..data")).unwrap();
    symlink("..data/token", path("token")).unwrap();
    let directory = format!("secrets_dir: '{}'", mount.path().display());
    let gateway = Gateway::start(&config(upstream.address, &leaking("{ secret: 'secret://token' }"), &directory));
    assert_eq!(told(&gateway).await, "one");
    symlink("..2", path("..data_tmp")).unwrap();
    fs::rename(path("..data_tmp"), path("..data")).unwrap();
    until(async || told(&gateway).await == "two").await;
}

#[tokio::test]
async fn a_reload_moves_secrets_and_changes_configs_without_compiling() {
    let upstream = Upstream::echo().await;
    let secrets = Secrets::with("value", "one");
    let named = format!("secrets: {{ token: {{ file: '{}' }} }}", secrets.path("value").display());
    let gateway = Gateway::start(&config(upstream.address, &leaking("{ secret: 'secret://token' }"), &named));

    // Cargo sets it for every test.
    let variable = "secrets: { token: { env: CARGO_PKG_NAME } }";
    gateway.try_reload(&config(upstream.address, &leaking("{ secret: 'secret://token' }"), variable)).unwrap();
    assert_eq!(told(&gateway).await, "refgateway");
    gateway.try_reload(&config(upstream.address, &leaking("{ secret: plain, limit: 1 }"), variable)).unwrap();
    assert_eq!(told(&gateway).await, "plain");
    assert_eq!(leak(&gateway).await["version"], 3);

    let none = "secrets: { token: { env: REFGATEWAY_NOT_SET } }";
    let error = gateway.try_reload(&config(upstream.address, &leaking("{ secret: 'secret://token' }"), none));
    let reason = error.unwrap_err().to_string();
    assert!(reason.ends_with("looked for the environment variable `REFGATEWAY_NOT_SET`"), "{reason}");
    assert_eq!(told(&gateway).await, "plain");
    assert_eq!(gateway.handle.gateway().engine.compilations(), 1);
    let metrics = get(&format!("http://{}/metrics", gateway.admin())).await;
    assert!(metrics.text().contains("\nwasm_compilations_total "), "{}", metrics.text());
}

#[tokio::test]
async fn the_operators_schema_may_be_in_a_file() {
    let upstream = Upstream::echo().await;
    let (_directory, schema) = file("schema.json", r#"{ "required": ["a"] }"#);
    let counting = |config: &str| {
        let more = format!("config: {config}, config_schema: '{schema}'");
        Plugged::to(upstream.address).through("count", NATIVE_COUNT, &more)
    };
    let gateway = counting("{ a: 1 }").start();
    let error = gateway.try_reload(&counting("{ b: 1 }").text()).unwrap_err().to_string();
    let misfit = "plugin `count` has a config that does not fit its schema: ";
    assert_eq!(error, format!("{misfit}\"a\" is a required property"));

    // The file is read again.
    fs::write(&schema, r#"{ "required": ["c"] }"#).unwrap();
    let error = gateway.try_reload(&counting("{ a: 1 }").text()).unwrap_err().to_string();
    assert_eq!(error, format!("{misfit}\"c\" is a required property"));
    for (text, reason) in [("{", "is not JSON: "), (r#"{ "type": 1 }"#, "/type: ")] {
        fs::write(&schema, text).unwrap();
        let error = gateway.try_reload(&counting("{ a: 1 }").text()).unwrap_err().to_string();
        assert!(error.starts_with("plugin `count`: the operator's config schema cannot be used: "), "{error}");
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(get(&gateway.url("/")).await.text(), "1");
}

#[test]
fn what_is_wrong_about_secrets_is_told_with_its_place() {
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\n\
         secrets: {{ both: {{ env: A, file: b }}, none: {{}}, '../up': {{ env: A }}, token: {{ env: A }} }}\n\
         secrets_interval: 0s\n\
         plugins: [{{ name: p, file: '{NATIVE_COUNT}', config_schema: 1, grants: {{ secrets: [tokn, token, '*'] }} }}]\n"
    );
    let error = Config::from_yaml(&text, &|_| None).unwrap_err();
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "plugins[0].config_schema: a schema is a map, or the path of a file with one",
            "plugins[0].grants.secrets[0]: no secret is called `tokn`, did you mean `token`?",
            "secrets.../up: a name has letters, digits, `-`, `_` and `.`, and does not begin with a `.`",
            "secrets.both: give one of `env` and `file`",
            "secrets.none: give one of `env` and `file`",
            "secrets_interval: must be more than 0",
        ]
    );
}

#[test]
fn inspect_shows_the_schema_that_a_plugin_ships() {
    let (code, stdout, _) = output(&["plugin", "inspect", "--schema", NATIVE_LEAK]);
    assert_eq!(code, Some(0));
    let line = stdout.lines().find(|line| line.starts_with("schema ")).unwrap();
    assert!(line.ends_with(" bytes"), "{line}");
    let (_, text) = stdout.split_once("\n\n").unwrap();
    let schema: Value = serde_json::from_str(text).unwrap();
    assert_eq!(schema["required"], json!(["secret"]));
    let (_, stdout, _) = output(&["plugin", "inspect", NATIVE_EDIT]);
    assert!(!stdout.contains("schema "), "{stdout}");
}
