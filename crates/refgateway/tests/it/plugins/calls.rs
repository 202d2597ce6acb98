//! Plugins that call out: to the gateway's services, and to URLs.

use std::net::SocketAddr;

use test_guests::NATIVE_CALL_OUT;

use crate::support::*;

/// A gateway whose plugin calls, with the servers of the service `orders`.
fn config(backend: SocketAddr, orders: &[SocketAddr], call: &str, grants: &str) -> String {
    let servers: Vec<_> = orders.iter().map(|address| format!("{{ url: 'http://{address}' }}")).collect();
    format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\n\
         admin: {{ address: '127.0.0.1:0' }}\n\
         workers: 1\n\
         routes: [{{ name: all, service: backend, chain: [calls] }}]\n\
         services:\n\
         \x20 - {{ name: backend, upstreams: [{{ url: 'http://{backend}' }}] }}\n\
         \x20 - {{ name: orders, upstreams: [{}] }}\n\
         plugins:\n\
         \x20 - {{ name: calls, file: '{NATIVE_CALL_OUT}', config: {{ on: request, {call} }}, grants: {{ http: {grants} }},\n\
         \x20     pool: {{ mode: reuse }}, limits: {{ wall: 30s, http: {{ timeout: 20s, connect: 20s }} }} }}\n",
        servers.join(", ")
    )
}

fn run(text: &str) -> (tempfile::TempDir, Running) {
    let (directory, path) = file("gateway.yaml", text);
    (directory, Running::start(&["run", "--config", &path]))
}

#[tokio::test]
async fn a_service_is_called_by_name_with_its_balancing() {
    let backend = Upstream::saying("backend").await;
    let (one, two, down) = (Upstream::saying("one").await, Upstream::saying("two").await, closed_port().await);
    let call = "service: [orders, '/x?y=1'], times: 8";
    let text = config(backend.address, &[one.address, down, two.address], call, "{ services: [orders] }");
    let (_directory, mut gateway) = run(&text);
    let url = format!("http://{}/", gateway.address());
    let metrics = format!("http://{}/metrics", gateway.admin_address());
    assert_eq!(get(&url).await.text(), "backend");
    for _ in 0..8 {
        let message = gateway.line("wasm_host::guest")["message"].as_str().unwrap().to_owned();
        assert!(["200 one", "200 two"].contains(&&*message), "{message}");
    }
    assert_eq!(one.requests() + two.requests(), 8);
    assert!(one.requests() >= 2 && two.requests() >= 2, "{} {}", one.requests(), two.requests());
    assert_eq!((one.connections(), two.connections()), (1, 1));
    let counted = r#"wasm_plugin_http_calls_total{plugin="calls",outcome="response"} 8"#;
    let metrics = get(&metrics).await;
    assert!(metrics.text().lines().any(|line| line == counted), "{}", metrics.text());
}

#[tokio::test]
async fn after_a_reload_the_service_is_the_current_one() {
    let backend = Upstream::saying("backend").await;
    let (before, after) = (Upstream::echo().await, Upstream::echo().await);
    let call = "method: POST, service: [orders, /orders], body: one";
    let with =
        |orders: &Upstream| config(backend.address, &[orders.address], call, "{ services: ['*'], methods: [POST] }");
    let gateway = Gateway::start(&with(&before));
    get(&gateway.url("/")).await;
    assert_eq!((before.requests(), after.requests()), (1, 0));
    gateway.try_reload(&with(&after)).unwrap();
    get(&gateway.url("/")).await;
    assert_eq!((before.requests(), after.requests()), (1, 1));
    assert_eq!(super::plugins(&gateway).await[0]["version"], 1, "the plugin is the same");
}

#[tokio::test]
async fn a_reload_that_fails_changes_no_service() {
    let backend = Upstream::saying("backend").await;
    let (before, after) = (Upstream::echo().await, Upstream::echo().await);
    let call = "service: [orders, /]";
    let grants = "{ services: [orders] }";
    let gateway = Gateway::start(&config(backend.address, &[before.address], call, grants));
    let broken = config(backend.address, &[after.address], call, grants).replace("on: request,", "on: 1,");
    assert!(gateway.try_reload(&broken).is_err());
    get(&gateway.url("/")).await;
    assert_eq!((before.requests(), after.requests()), (1, 0));
}

#[tokio::test]
async fn a_url_on_this_machine_needs_its_grant() {
    let (backend, other) = (Upstream::saying("backend").await, Upstream::saying("other").await);
    let call = format!("url: 'http://localhost:{}/'", other.address.port());
    let hosts = format!("hosts: [localhost], schemes: [http], ports: [{}]", other.address.port());
    for (addresses, message, requests) in [
        ("", "call denied: `grants.http` does not cover the addresses of `localhost`", 0),
        ("addresses: [loopback]", "200 other", 1),
    ] {
        let text = config(backend.address, &[other.address], &call, &format!("{{ {hosts}, {addresses} }}"));
        let (_directory, mut gateway) = run(&text);
        get(&format!("http://{}/", gateway.address())).await;
        if requests == 0 {
            let denied = gateway.line("http: denied the address");
            assert_eq!(denied["plugin"], "calls");
        }
        assert_eq!(gateway.line("wasm_host::guest")["message"], message);
        assert_eq!(other.requests(), requests);
    }
}
