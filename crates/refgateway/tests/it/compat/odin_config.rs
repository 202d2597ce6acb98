//! The key `wasm`, in the words of Odin.

use std::time::Duration;

use refgateway::config::{Config, PoolMode, Size, Time};
use serde_json::json;
use test_guests::{NATIVE_COUNT, NATIVE_GATE, NATIVE_OBSERVE};

use super::{directory_of, states};
use crate::support::*;

const REST: &str = "
listeners: [{ address: '127.0.0.1:0' }]
admin: { address: '127.0.0.1:0' }
workers: 1
routes: [{ name: all, service: users-service }]
services: [{ name: users-service, upstreams: [{ url: 'http://127.0.0.1:1' }] }, { name: orders-service, upstreams: [{ url: 'http://127.0.0.1:1' }] }]
";

const EVERY_KEY: &str = "
wasm:
  enabled: true
  pluginDir: /srv/plugins
  maxMemoryPages: 200
  maxInstances: 50
  cacheEnabled: true
  timeout: 3s
  bodyEncoding: base64
  plugins:
    - name: limiter
      path: traffic/limiter.wasm
      type: ratelimit
      enabled: true
      priority: 7
      timeout: 2s
      allowedUrls: [/api/.*, /v1]
      services: [users-service, orders-service]
      bodyEncoding: text
      config: { limit: 100, window: 60s, key: '${LIMITER_KEY}', nested: { of: [1, two] } }
    - { name: plain, path: /opt/plain.wasm }
";

fn read(text: &str) -> Result<Config, refgateway::config::ConfigError> {
    Config::from_yaml(text, &|name| (name == "LIMITER_KEY").then(|| "k3y".to_owned()))
}

#[test]
fn every_key_says_what_it_says_there() {
    let config = read(&format!("{REST}{EVERY_KEY}")).unwrap();
    assert_eq!(config.chain, ["limiter", "plain"]);
    let [limiter, plain] = config.plugins.as_slice() else { panic!("{:?}", config.plugins) };
    assert_eq!(limiter.file.to_str(), Some("/srv/plugins/traffic/limiter.wasm"));
    assert_eq!((limiter.enabled, limiter.priority), (true, 7));
    assert_eq!(limiter.abi, json!({ "type": "ratelimit", "body_encoding": "text" }));
    assert_eq!(limiter.matches.path_regexes, ["/api/.*", "/v1"]);
    assert_eq!(limiter.matches.services, ["users-service", "orders-service"]);
    assert_eq!(limiter.config, json!({ "limit": 100, "window": "60s", "key": "k3y", "nested": { "of": [1, "two"] } }));
    let two_seconds = Some(Time(Duration::from_secs(2)));
    assert_eq!((limiter.limits.cpu, limiter.limits.wall), (two_seconds, two_seconds));
    assert_eq!(limiter.limits.memory, Some(Size(200 * 65_536)));
    assert_eq!(limiter.limits.concurrency.unwrap().get(), 50);
    assert_eq!((limiter.pool.mode, limiter.pool.max_idle), (PoolMode::Reuse, Some(50)));

    assert_eq!(plain.file.to_str(), Some("/opt/plain.wasm"));
    assert_eq!((plain.priority, &plain.abi), (0, &json!({ "body_encoding": "base64" })));
    assert_eq!(plain.limits.cpu, Some(Time(Duration::from_secs(3))));
}

#[test]
fn what_is_not_said_has_its_default() {
    let config = read(&format!("{REST}wasm: {{ plugins: [{{ name: p, path: p.wasm }}] }}")).unwrap();
    let plugin = &config.plugins[0];
    assert_eq!((plugin.file.to_str(), plugin.abi.is_null()), (Some("p.wasm"), true));
    assert_eq!(plugin.limits.memory, Some(Size(100 * 65_536)));
    assert_eq!((plugin.limits.wall, plugin.limits.concurrency), (Some(Time(Duration::from_secs(5))), None));
    assert!(plugin.enabled && plugin.matches.path_regexes.is_empty());
}

#[test]
fn mistakes_are_told_with_their_place() {
    let plugin = |more: &str| format!("wasm: {{ plugins: [{{ name: p, path: p.wasm, {more} }}] }}");
    for (text, problem) in [
        (
            plugin("type: transform"),
            "wasm.plugins[0].type: expected one of `request`, `response`, `auth`, `ratelimit`, `middleware`, `aggregation`",
        ),
        (plugin("allowedUrls: ['/api/(']"), "wasm.plugins[0].allowedUrls[0]: not a regular expression: "),
        (plugin("timeout: 0s"), "wasm.plugins[0].timeout: must be more than 0"),
        (plugin("timeout: 5"), "wasm.plugins[0].timeout: expected a duration such as `250ms`, `5s` or `2m`"),
        (plugin("timeout: -5s"), "wasm.plugins[0].timeout: expected a duration such as"),
        (plugin("priority: first"), "wasm.plugins[0].priority: expected i32, found text"),
        (plugin("enabled: maybe"), "wasm.plugins[0].enabled: expected a boolean"),
        (plugin("alowedUrls: []"), "wasm.plugins[0]: unknown key `alowedUrls`, did you mean `allowedUrls`?"),
        (plugin("bodyEncoding: hex"), "wasm.plugins[0].bodyEncoding: expected one of `base64`, `text`"),
        (plugin("config: { key: '${UNSET}' }"), "wasm.plugins[0].config.key: environment variable `UNSET` is not set"),
        (
            plugin("type: auth, services: [users-service, user-service]"),
            "wasm.plugins[0].services[1]: no service is called `user-service`, and a plugin of type `auth` that is not \
             called keeps nobody out; services there are: `users-service`, `orders-service`",
        ),
        (
            plugin("type: ratelimit, services: [nobody]"),
            "wasm.plugins[0].services[0]: no service is called `nobody`, and a plugin of type `ratelimit`",
        ),
        (
            plugin("type: aggregation, services: [users-service, nobody]"),
            "wasm.plugins[0].services[1]: no service is called `nobody`",
        ),
        (
            plugin("type: aggregation, services: [users-service], grants: { http: { services: [nobody] } }"),
            "wasm.plugins[0].grants.http.services[0]: no service is called `nobody`",
        ),
        (
            plugin("grants: { upstreams: [nobody] }"),
            "wasm.plugins[0].grants.upstreams[0]: no service is called `nobody`",
        ),
        ("wasm: { plugins: [{ name: p }] }".to_owned(), "wasm.plugins[0]: `path` is missing"),
        ("wasm: { plugins: [{ name: p, path: '' }] }".to_owned(), "wasm.plugins[0].path: a path is needed"),
        ("wasm: { plugins: [{ name: '', path: p.wasm }] }".to_owned(), "wasm.plugins[0].name: a name is needed"),
        (
            "wasm: { plugins: [{ name: p, path: a.wasm }, { name: p, path: b.wasm }] }".to_owned(),
            "wasm.plugins[1].name: `p` is used twice",
        ),
        (
            "plugins: [{ name: p, file: p.wasm }]\nwasm: { plugins: [{ name: p, path: p.wasm }] }".to_owned(),
            "wasm.plugins[0].name: `p` is in `plugins`, too",
        ),
        ("wasm: { maxMemoryPages: 0 }".to_owned(), "wasm.maxMemoryPages: expected a nonzero u32"),
        ("wasm: { maxMemoryPages: -1 }".to_owned(), "wasm.maxMemoryPages: expected a nonzero u32"),
        (
            "wasm: { maxMemoryPages: 65537 }".to_owned(),
            "wasm.maxMemoryPages: a memory has at most 65536 pages, which are 4 GiB",
        ),
        ("wasm: { maxInstances: -1 }".to_owned(), "wasm.maxInstances: expected a nonzero u32"),
        ("wasm: { timeout: 0ms }".to_owned(), "wasm.timeout: must be more than 0"),
        ("wasm: { plugin_dir: x }".to_owned(), "wasm: unknown key `plugin_dir`, did you mean `pluginDir`?"),
    ] {
        let error = read(&format!("{REST}{text}")).unwrap_err();
        let problem_found = error.problems().iter().any(|found| found.to_string().starts_with(problem));
        assert!(problem_found, "{problem} in {error}");
        assert!(error.problems().iter().all(|found| found.position().is_some_and(|(line, _)| line > 6)), "{error:?}");
    }
}

#[tokio::test]
async fn plugins_of_both_models_are_in_one_chain() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("deep/count.wasm", NATIVE_COUNT), ("gate.wasm", NATIVE_GATE)]);
    let gateway = Plugged::to(upstream.address).through("own", NATIVE_OBSERVE, "priority: 3").text();
    let text = format!(
        "{gateway}wasm:\n\
         \x20 pluginDir: {}\n\
         \x20 plugins:\n\
         \x20   - {{ name: count, path: deep/count.wasm, priority: 9, allowedUrls: [/counted], services: [backend] }}\n\
         \x20   - {{ name: gate, path: gate.wasm, priority: -1, config: {{ token: open }} }}\n\
         \x20   - {{ name: elsewhere, path: deep/count.wasm, services: [users-service] }}\n\
         \x20   - {{ name: off, path: nowhere.wasm, enabled: false }}\n",
        directory.path().display()
    );
    let gateway = Gateway::start(&text);
    let ask = async |path: &str, token: &'static str| {
        let request = http::Request::get(gateway.url(path)).header("x-token", token);
        send(&client(), request.body(body::empty()).unwrap()).await
    };
    assert_eq!(ask("/counted", "wrong").await.status, 403);
    assert_eq!(ask("/is/counted/here", "open").await.text(), "1");
    assert_eq!(ask("/", "open").await.json()["method"], "GET");
    let routes = get(&format!("http://{}/api/routes", gateway.admin())).await.json();
    assert_eq!(routes["routes"][0]["chain"], json!(["gate", "elsewhere", "own", "count"]));
    let states = states(&gateway.admin().to_string()).await;
    assert_eq!((states[4].0.as_str(), states[4].1.as_str()), ("off", "disabled"));
}

#[tokio::test]
async fn switched_off_as_a_whole_nothing_loads() {
    let upstream = Upstream::echo().await;
    let text = "wasm: { enabled: false, plugins: [{ name: p, path: /nowhere/p.wasm }] }";
    let gateway = Gateway::with(upstream.address, text);
    assert_eq!(get(&gateway.url("/")).await.status, 200);
    let states = states(&gateway.admin().to_string()).await;
    assert_eq!(states, [("p".to_owned(), "disabled".to_owned(), String::new())]);
}

#[tokio::test]
async fn a_file_with_nothing_else_is_served_before_an_upstream() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("count.wasm", NATIVE_COUNT)]);
    let section = |path: &str| {
        format!("wasm:\n  pluginDir: {}\n  plugins: [{{ name: c, path: {path} }}]\n", directory.path().display())
    };
    let (_file, path) = file("wasm.yaml", &section("count.wasm"));
    let url = format!("http://{}", upstream.address);
    let arguments = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &url, "--odin", &path];
    let mut gateway = Running::start(&arguments);
    let address = format!("http://{}/", gateway.address());
    let admin = gateway.admin_address();
    assert_eq!((get(&address).await.text(), get(&address).await.text()), ("1", "2"));

    std::fs::write(&path, section("nowhere.wasm")).unwrap();
    gateway.signal("-HUP");
    gateway.line("config not reloaded");
    assert_eq!(states(&admin).await[0].1, "degraded");
    assert_eq!(get(&address).await.text(), "3");
    std::fs::write(&path, "wasm: { enabled: false }").unwrap();
    gateway.signal("-HUP");
    gateway.line("config reloaded");
    assert_eq!(get(&address).await.json()["method"], "GET");
}

#[test]
fn such_a_file_is_checked_like_any_config() {
    for (text, problem) in [
        (
            "wasm:\n  plugins:\n    - { name: p, path: p.wasm, type: transform }\n",
            ":3:38: wasm.plugins[0].type: expected one of",
        ),
        ("wasm: {}\nrouts: []\n", ":2:1: unknown key `routs`"),
        (
            "wasm:\n  plugins:\n    - { name: p, path: p.wasm, type: auth, services: [users-service] }\n",
            "wasm.plugins[0].services[0]: no service is called `users-service`, and a plugin of type `auth` that is not \
             called keeps nobody out; services there are: `upstream`",
        ),
        ("plugins: []\n", "unknown key `plugins`"),
        ("{}", "`wasm` is missing"),
    ] {
        let (_file, path) = file("wasm.yaml", text);
        let (code, _, stderr) = output(&["run", "--upstream", "http://127.0.0.1:1", "--odin", &path]);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(&path) && stderr.contains(problem), "{problem} in {stderr}");
    }
    assert_eq!(output(&["run", "--config", "a.yaml", "--odin", "b.yaml"]).0, Some(2));
    assert_eq!(output(&["run", "--odin", "b.yaml"]).0, Some(2));
}

#[test]
fn the_schema_has_the_keys() {
    let (_, stdout, _) = output(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    for key in ["wasm", "wasm_roots", "wasm_runtime"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    let odin = &schema["$defs"]["OdinWasm"];
    for key in ["enabled", "pluginDir", "maxMemoryPages", "maxInstances", "cacheEnabled", "timeout", "plugins"] {
        assert!(odin["properties"][key].is_object(), "{key} in {odin}");
    }
    let plugin = &schema["$defs"]["OdinPlugin"];
    assert_eq!(plugin["required"], json!(["name", "path"]));
    assert!(plugin["properties"]["allowedUrls"].is_object() && plugin["properties"]["type"].is_object(), "{plugin}");
    let runtime = &schema["$defs"]["WasmRuntime"]["properties"];
    for key in [
        "max_memory_pages",
        "max_execution_time_ms",
        "max_stack_size",
        "thread_pool_size",
        "module_cache_size",
        "max_body_size",
        "pool",
    ] {
        assert!(runtime[key].is_object(), "{key} in {runtime}");
    }
    assert!(schema["$defs"]["Plugin"]["properties"]["origin"].is_null());
}
