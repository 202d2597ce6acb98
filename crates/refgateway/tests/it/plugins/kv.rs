//! What plugins keep: in this process, on disk, and in a Redis that gateways share.

use test_guests::NATIVE_KEEP;
use test_servers::RedisServer;

use super::get_with;
use crate::support::*;

const OWN: &str = "grants: { kv: { own: read_write } }";

/// A gateway whose plugin counts requests, with this state.
async fn counting(state: &str) -> Gateway {
    let upstream = Upstream::echo().await;
    Gateway::start(&config(&upstream, state))
}

fn config(upstream: &Upstream, state: &str) -> String {
    format!("{}{state}\n", Plugged::to(upstream.address).through("keep", NATIVE_KEEP, OWN).text())
}

async fn told(url: &str, what: &str) -> String {
    get_with(url, &[("x-do", what)]).await.text().to_owned()
}

#[tokio::test]
async fn counts_in_memory_and_over_reloads() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&config(&upstream, ""));
    assert_eq!(told(&gateway.url("/"), "count").await, "1");
    let reloaded = config(&upstream, "").replace("name: keep,", "name: keep, priority: 7,");
    gateway.try_reload(&reloaded).unwrap();
    assert_eq!(told(&gateway.url("/"), "count").await, "2");
}

#[tokio::test]
async fn two_gateways_count_in_one_redis() {
    let server = RedisServer::start();
    let state = format!("state: {{ kv: redis, redis: {{ url: '{}' }} }}", server.url());
    let (one, other) = (counting(&state).await, counting(&state).await);
    for sum in 1..=3 {
        assert_eq!(told(&one.url("/"), "count").await, (sum * 2 - 1).to_string());
        assert_eq!(told(&other.url("/"), "count").await, (sum * 2).to_string());
    }
}

#[tokio::test]
async fn a_redis_that_is_away_fails_the_plugin_and_not_the_gateway() {
    let mut server = RedisServer::start();
    let state = format!("state: {{ kv: redis, redis: {{ url: '{}' }} }}", server.url());
    let gateway = counting(&state).await;
    server.stop();
    assert_eq!(told(&gateway.url("/"), "write").await, "Err(Unavailable)");
    assert_eq!(get(&gateway.url("/")).await.status, 200);
    server.restart();
    until(async || told(&gateway.url("/"), "write").await == "Ok(())").await;
}

#[tokio::test]
async fn the_disk_survives_a_killed_gateway() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::echo().await;
    let state = format!(
        "state: {{ kv: redb, redb: '{}' }}\nlisteners: [{{ address: '127.0.0.1:0' }}]\nworkers: 1\nadmin: {{ enabled: false }}\n",
        directory.path().join("kv.redb").display()
    );
    let (_config, path) = file("gateway.yaml", &config(&upstream, &state));
    for sum in ["1", "2", "3"] {
        let mut gateway = Running::start(&["run", "--config", &path]);
        let url = format!("http://{}/", gateway.address());
        assert_eq!(told(&url, "count").await, sum);
        let (code, told, error) = output(&["check", "--config", &path]);
        assert_eq!(code, Some(0), "checking does not touch the file in use: {told} {error}");
        gateway.child.kill().unwrap();
        gateway.child.wait().unwrap();
    }
}

#[tokio::test]
async fn shared_namespaces_are_declared_and_bounded() {
    let upstream = Upstream::echo().await;
    let shared =
        |access| format!("config: {{ bucket: visits }}, grants: {{ kv: {{ shared: {{ visits: {access} }} }} }}");
    let chain = Plugged::to(upstream.address).through("keep", NATIVE_KEEP, &shared("read_write"));
    let gateway = Gateway::start(&format!("{}state: {{ kv_shared: {{ visits: {{ keys: 3 }} }} }}\n", chain.text()));
    assert_eq!(told(&gateway.url("/"), "flood").await, "3 QuotaExceeded Err(QuotaExceeded)");
    let typo = chain.text().replace("visits: read_write", "vists: read");
    let text = format!("{typo}state: {{ kv_shared: {{ visits: {{}} }} }}\nlisteners: [{{ address: '127.0.0.1:0' }}]\n");
    let error = refgateway::config::Config::from_yaml(&text, &|_| None).unwrap_err().to_string();
    assert!(error.contains("no namespace of `state.kv_shared` is called `vists`, did you mean `visits`?"), "{error}");
}

#[tokio::test]
async fn limits_bound_the_own_namespace() {
    let upstream = Upstream::echo().await;
    let entry = format!("{OWN}, limits: {{ kv: {{ keys: 5, bytes: 1MiB, value: 64KiB }} }}");
    let gateway = Plugged::to(upstream.address).through("keep", NATIVE_KEEP, &entry).start();
    assert_eq!(told(&gateway.url("/"), "flood").await, "5 QuotaExceeded Err(QuotaExceeded)");
    assert_eq!(told(&gateway.url("/"), "huge").await, "Err(TooLarge) Err(TooLarge) Err(TooLarge)");
}
