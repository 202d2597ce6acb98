//! What the gateway tells of its plugins: logs and metrics.

use test_guests::{
    NATIVE_CONFIGURE, NATIVE_COUNT, NATIVE_GATE, NATIVE_MISBEHAVE, NATIVE_NOTE_COMPLETION, NATIVE_OBSERVE,
};

use super::get_with;
use crate::support::*;

/// The program with this config, and the file it reads.
fn run(chain: &Plugged, more: &str) -> (tempfile::TempDir, Running) {
    let text = format!(
        "{}listeners: [{{ address: '127.0.0.1:0' }}]\nworkers: 1\nadmin: {{ address: '127.0.0.1:0' }}\n{more}",
        chain.text()
    );
    let (directory, path) = file("gateway.yaml", &text);
    (directory, Running::start(&["run", "--config", &path]))
}

#[tokio::test]
async fn the_access_log_says_what_each_plugin_did() {
    let upstream = Upstream::echo().await;
    let chain = Plugged::to(upstream.address)
        .through("gate", NATIVE_GATE, "config: { token: open }")
        .through("look", NATIVE_OBSERVE, "")
        .through("bad", NATIVE_MISBEHAVE, "on_failure: { default: open }");
    let (_file, mut gateway) = run(&chain, "");
    let url = format!("http://{}/", gateway.address());
    get(&url).await;
    let refused = gateway.line("\"access\"");
    assert_eq!((&refused["status"], &refused["plugins"]), (&403.into(), &"gate:request=respond".into()));
    get_with(&url, &[("x-token", "open"), ("x-do", "panic")]).await;
    let failed = gateway.line("plugin failed");
    assert_eq!(
        (&failed["plugin"], &failed["phase"], &failed["class"]),
        (&"bad".into(), &"request".into(), &"trap".into())
    );
    let passed = gateway.line("\"access\"");
    let decisions = "gate:request=continue look:request=continue bad:request=trap look:response=continue";
    assert_eq!((&passed["status"], &passed["plugins"]), (&200.into(), &decisions.into()));
}

#[tokio::test]
async fn a_guest_s_log_is_the_gateway_s() {
    let upstream = Upstream::saying("twelve bytes").await;
    let chain = Plugged::to(upstream.address).through("note", NATIVE_NOTE_COMPLETION, "");
    let (_file, mut gateway) = run(&chain, "");
    get_with(&format!("http://{}/", gateway.address()), &[("x-request-id", "id-9")]).await;
    let line = gateway.line("wasm_host::guest");
    assert_eq!((&line["plugin"], &line["exchange"]), (&"note".into(), &"id-9".into()));
    assert_eq!(line["message"], "id-9 ended: Some(200), 12 bytes, finished true");
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let upstream = Upstream::echo().await;
    let chain = Plugged::to(upstream.address)
        .through("gate", NATIVE_GATE, "config: { token: s3cr3t-token }")
        .through("picky", NATIVE_CONFIGURE, "config: { status: s3cr3t-status }")
        .through("bad", NATIVE_MISBEHAVE, "");
    let (_file, mut gateway) = run(&chain, "");
    let url = format!("http://{}/?key=s3cr3t-query", gateway.address());
    let admin = gateway.admin_address();
    let secrets = [("x-token", "s3cr3t-token"), ("authorization", "Bearer s3cr3t"), ("cookie", "id=s3cr3t")];
    let mut answers = vec![get_with(&url, &secrets).await];
    for path in ["/api/plugins", "/api/plugins/picky", "/api/routes", "/api/explain?path=/", "/metrics"] {
        answers.push(get(&format!("http://{admin}{path}")).await);
    }
    let enable = http::Request::post(format!("http://{admin}/api/plugins/picky/enable")).body(body::empty()).unwrap();
    answers.push(send(&client(), enable).await);
    assert_eq!((answers[0].status.as_u16(), answers[6].status.as_u16()), (503, 422));
    for answer in answers {
        assert!(!format!("{answer:?}").contains("s3cr3t"), "{answer:?}");
    }
    let log = gateway.whole_log();
    assert!(log.contains("refuses its config") && log.contains("draining"), "{log}");
    assert!(!log.contains("s3cr3t"), "{log}");
}

#[tokio::test]
async fn plugins_have_metrics() {
    let upstream = Upstream::echo().await;
    let chain = Plugged::to(upstream.address)
        .through("metered", NATIVE_MISBEHAVE, "pool: { mode: reuse }, on_failure: { default: open }")
        .through("metered-answer", NATIVE_COUNT, "pool: { mode: reuse }");
    let (_file, mut gateway) = run(&chain, "");
    let (url, admin) = (format!("http://{}/", gateway.address()), gateway.admin_address());
    get(&url).await;
    get_with(&url, &[("x-do", "panic")]).await;
    let answer = get(&format!("http://{admin}/metrics")).await;
    let line = |start: &str| {
        let line = answer.text().lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no {start} in {}", answer.text())).rsplit_once(' ').unwrap().1.to_owned()
    };
    for (start, value) in [
        ("wasm_plugin_executions_total{plugin=\"metered\",phase=\"request\",outcome=\"continue\"}", "1"),
        ("wasm_plugin_executions_total{plugin=\"metered\",phase=\"response\",outcome=\"continue\"}", "1"),
        ("wasm_plugin_executions_total{plugin=\"metered\",phase=\"request\",outcome=\"trap\"}", "1"),
        ("wasm_plugin_executions_total{plugin=\"metered-answer\",phase=\"request\",outcome=\"respond\"}", "2"),
        ("wasm_plugin_execution_duration_seconds_count{plugin=\"metered\",phase=\"request\"}", "2"),
        ("wasm_plugin_errors_total{plugin=\"metered\",class=\"trap\"}", "1"),
        ("wasm_plugin_instances_active{plugin=\"metered\"}", "0"),
        ("wasm_plugin_instances_idle{plugin=\"metered-answer\"}", "1"),
        ("wasm_plugin_queue_length{plugin=\"metered\"}", "0"),
        ("wasm_plugin_pool_hits_total{plugin=\"metered-answer\"}", "2"),
        ("wasm_plugin_pool_misses_total{plugin=\"metered-answer\"}", "0"),
    ] {
        assert_eq!(line(start), value, "{start} in {}", answer.text());
    }
    assert!(line("wasm_plugin_memory_bytes{plugin=\"metered-answer\"}").parse::<u64>().unwrap() > 0);
    assert!(answer.text().contains("# TYPE wasm_plugin_execution_duration_seconds histogram"));
}

#[tokio::test]
async fn metrics_go_on_over_versions_of_a_plugin() {
    let upstream = Upstream::echo().await;
    let counting = |config: &str| {
        let more = format!("pool: {{ mode: reuse }}, config: {config}");
        Plugged::to(upstream.address).through("versioned", NATIVE_COUNT, &more)
    };
    let gateway = counting("one").start();
    let metrics = async || get(&format!("http://{}/metrics", gateway.admin())).await.text().to_owned();
    let has = async |line: &str| metrics().await.lines().any(|known| known == line);
    get(&gateway.url("/")).await;
    get(&gateway.url("/")).await;
    assert!(has(r#"wasm_plugin_pool_hits_total{plugin="versioned"} 2"#).await);
    gateway.try_reload(&counting("two").text()).unwrap();
    get(&gateway.url("/")).await;
    // The old version goes with the last connection that knows it.
    until(async || has(r#"wasm_plugin_pool_hits_total{plugin="versioned"} 3"#).await).await;
    until(async || has(r#"wasm_plugin_instances_idle{plugin="versioned"} 1"#).await).await;

    gateway.try_reload(&Plugged::to(upstream.address).through("other", NATIVE_COUNT, "").text()).unwrap();
    get(&gateway.url("/")).await;
    until(async || has(r#"wasm_plugin_instances_idle{plugin="versioned"} 0"#).await).await;
}
