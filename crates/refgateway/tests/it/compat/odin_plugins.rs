//! Plugins of Odin, configured and measured as they are there.

use serde_json::{Value, json};
use test_guests::{ODIN_FILTER, ODIN_OBSERVE, ODIN_SCENARIO};

use super::{directory_of, states};
use crate::support::*;

/// A config with all that Odin's own samples have, for an operator who has both kinds of keys.
fn config(upstream: &Upstream, directory: &std::path::Path, more: &str) -> String {
    format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\n\
         admin: {{ address: '127.0.0.1:0' }}\n\
         workers: 1\n\
         routes: [{{ name: all, service: users-service }}]\n\
         services: [{{ name: users-service, upstreams: [{{ url: 'http://{}' }}] }}]\n\
         wasm:\n\
         \x20 enabled: true\n\
         \x20 pluginDir: {}      # where they are\n\
         \x20 maxMemoryPages: 200\n\
         \x20 maxInstances: 50\n\
         \x20 cacheEnabled: true\n\
         \x20 plugins:\n{more}",
        upstream.address,
        directory.display()
    )
}

async fn get_with(url: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(http::Request::get(url), |request, (name, value)| request.header(*name, *value));
    send(&client(), request.body(body::empty()).unwrap()).await
}

#[tokio::test]
async fn plugins_of_every_type_are_in_one_chain() {
    let upstream = Upstream::echo().await;
    let directory =
        directory_of(&[("auth/filter.wasm", ODIN_FILTER), ("look.wasm", ODIN_OBSERVE), ("edit.wasm", ODIN_SCENARIO)]);
    let text = config(
        &upstream,
        directory.path(),
        "
    - name: guard
      path: auth/filter.wasm
      type: auth
      enabled: true
      priority: 1
      timeout: 2s
      allowedUrls:
        - /api/.*
      config:
        publicKey: /etc/keys/public.pem
    - name: look
      path: look.wasm
      type: ratelimit
      enabled: true
      priority: 2
      timeout: 1s
      config:
        limit: 100
        window: 60s
        secret: '${LOOK_SECRET}'
    - name: inject
      path: edit.wasm
      type: request
      enabled: true
      priority: 5
      timeout: 1s
      services:
        - users-service
      config:
        addHeaders:
          X-Gateway: Odin
    - { name: answer, path: edit.wasm, type: response, priority: 8 }
    - { name: elsewhere, path: auth/filter.wasm, type: middleware, services: [orders-service] }
",
    );
    let (_file, path) = file("gateway.yaml", &text);
    let mut gateway = Running::start_in(&["run", "--config", &path], &[("LOOK_SECRET", "sh-h")]);
    let warned = gateway.line("no service is called so");
    assert_eq!((&warned["plugin"], &warned["service"]), (&json!("elsewhere"), &json!("orders-service")));
    let (address, admin) = (gateway.address(), gateway.admin_address());
    assert!(states(&admin).await.iter().all(|(_, state, _)| state == "active"), "{:?}", states(&admin).await);

    let url = |path: &str| format!("http://{address}{path}");
    assert_eq!(get_with(&url("/api/users"), &[]).await.status, 401);
    let passed =
        get_with(&url("/api/users"), &[("authorization", "Bearer secret"), ("x-scenario", "add-header")]).await;
    let headers = passed.json()["headers"].clone();
    assert_eq!((&headers["x-plugin"][0], &headers["x-added"][0]), (&json!("1"), &json!("1")));
    assert_eq!(get_with(&url("/"), &[]).await.status, 200);
    let line = gateway.line("wasm_host::guest");
    let told: Value = serde_json::from_str(&unescaped(line["message"].as_str().unwrap())).unwrap();
    assert_eq!(told["config"], json!({ "limit": 100, "window": "60s", "secret": "sh-h" }), "{told}");
    assert_eq!(told["context"]["serviceId"], "users-service");
}

/// What was logged, as the guest said it.
fn unescaped(logged: &str) -> String {
    let mut rest = logged.chars();
    std::iter::from_fn(|| rest.next().and_then(|next| if next == '\\' { rest.next() } else { Some(next) })).collect()
}

#[tokio::test]
async fn a_plugin_may_compute_as_long_as_its_timeout() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("edit.wasm", ODIN_SCENARIO)]);
    let plugins = "    - { name: slow, path: edit.wasm, type: request, timeout: 150ms }\n";
    let (_file, path) = file("gateway.yaml", &config(&upstream, directory.path(), plugins));
    let mut gateway = Running::start(&["run", "--config", &path]);
    let url = format!("http://{}/", gateway.address());
    let began = std::time::Instant::now();
    assert_eq!(get_with(&url, &[("x-scenario", "loop")]).await.status, 504);
    assert!(began.elapsed().as_millis() >= 140, "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_documented_metrics_are_there() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("edit.wasm", ODIN_SCENARIO)]);
    let plugins = "    - { name: metered-odin, path: edit.wasm, type: request, onFailure: { default: open } }\n";
    let (_file, path) = file("gateway.yaml", &config(&upstream, directory.path(), plugins));
    let mut gateway = Running::start(&["run", "--config", &path]);
    let (url, admin) = (format!("http://{}/", gateway.address()), gateway.admin_address());
    for scenario in ["trap", "add-header", "none"] {
        assert_eq!(get_with(&url, &[("x-scenario", scenario)]).await.status, 200);
    }
    let metrics = get(&format!("http://{admin}/metrics")).await;
    let value = |start: &str| {
        let lines = metrics.text().lines().filter(|line| line.starts_with(start) && line.contains("metered-odin"));
        let values = lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap());
        values.reduce(|all, value| all + value).unwrap_or_else(|| panic!("no {start} in {}", metrics.text()))
    };
    assert_eq!(value("wasm_plugin_executions_total{"), 3.0);
    assert_eq!(value("wasm_plugin_execution_duration_seconds_count{"), 3.0);
    assert!(value("wasm_plugin_execution_duration_seconds_sum{") > 0.0);
    assert!(metrics.text().contains("# TYPE wasm_plugin_execution_duration_seconds histogram"));
    assert_eq!(value("wasm_plugin_errors_total{"), 1.0);
    assert!(value("wasm_plugin_memory_bytes{") > 0.0);
    assert_eq!(value("wasm_plugin_instances_active{"), 0.0);
}

#[tokio::test]
async fn a_type_is_for_plugins_of_odin() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("native.wasm", test_guests::NATIVE_OBSERVE)]);
    let plugins = "    - { name: native, path: native.wasm, type: request }\n";
    let (_file, path) = file("gateway.yaml", &config(&upstream, directory.path(), plugins));
    let (code, _, stderr) = output(&["check", "--config", &path]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("the options given for the native ABI do not fit"), "{stderr}");
}

/// Calls a plugin with a request that has this header.
fn test(plugin: &str, header: &str, value: &str) -> (Option<i32>, String, String) {
    let request = json!({ "method": "GET", "url": "/", "headers": { header: [value] }, "body": "" });
    let input = json!({ "context": { "requestId": "1" }, "input": request, "config": {} }).to_string();
    let (_directory, input) = file("input.json", &input);
    output(&["plugin", "test", plugin, &input])
}

#[test]
fn what_a_plugin_makes_of_an_input_is_printed() {
    let (code, stdout, stderr) = test(ODIN_FILTER, "Authorization", "Bearer secret");
    assert_eq!(code, Some(0), "{stderr}");
    let made: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(made, json!({ "modified": true, "continue": true, "response": { "headers": { "X-Plugin": ["1"] } } }));
    let refused: Value = serde_json::from_str(&test(ODIN_FILTER, "Authorization", "wrong").1).unwrap();
    assert_eq!(refused, json!({ "continue": false, "response": { "statusCode": 401 } }));
}

#[test]
fn a_call_that_fails_exits_with_1() {
    for (scenario, reason) in [("trap", "trap: "), ("bad-pointer", "")] {
        let (code, stdout, stderr) = test(ODIN_SCENARIO, "X-Scenario", scenario);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{scenario}: {stderr}");
        assert!(stderr.lines().last().unwrap().starts_with(&format!("{ODIN_SCENARIO}: {reason}")), "{stderr}");
    }
}
