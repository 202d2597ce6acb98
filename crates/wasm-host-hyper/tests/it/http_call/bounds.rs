//! What a server does wrong, and what a guest does too much of.

use std::time::Duration;

use serde_json::json;
use test_guests::NATIVE_CALL_OUT;
use wasm_host::Limits;

use super::support::{Calls, Server, get, patient};

/// The log of a guest that gets a path under these limits.
async fn gets(server: &Server, path: &str, change: impl FnOnce(&mut Limits)) -> Vec<String> {
    let calls = Calls::new();
    let mut limits = patient();
    change(&mut limits);
    let plugin = calls.plugin("p", NATIVE_CALL_OUT).config(get(&server.url(path))).grants(server.grant());
    let plugin = plugin.limits(limits).load(&calls.engine).await.unwrap();
    calls.ask(&plugin).await
}

const LATE: &str = "call failed: no whole response in time, `limits.http.timeout`";
const LARGE: &str = "call failed: over `limits.http.response_bytes`";

fn short(limits: &mut Limits) {
    limits.http.timeout = Duration::from_millis(100);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::start().await;
    assert_eq!(gets(&server, "/never", short).await, [LATE]);
    while server.open() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_trickles_is_given_up() {
    let server = Server::start().await;
    assert_eq!(gets(&server, "/trickle", short).await, [LATE]);
}

#[tokio::test]
async fn the_guest_may_want_an_answer_sooner() {
    let server = Server::start().await;
    let calls = Calls::new();
    let config = json!({ "on": "request", "url": server.url("/never"), "timeout_ms": 50 });
    assert_eq!(calls.run(NATIVE_CALL_OUT, config, server.grant()).await, [LATE]);
}

#[tokio::test]
async fn a_name_that_takes_too_long_is_no_connection() {
    #[derive(Debug)]
    struct Never;

    impl wasm_host_hyper::Resolve for Never {
        fn resolve<'a>(
            &'a self,
            _: &'a str,
            _: u16,
        ) -> wasm_host::BoxFuture<'a, std::io::Result<Vec<std::net::SocketAddr>>> {
            Box::pin(std::future::pending())
        }
    }

    let server = Server::start().await;
    let calls = Calls::over(wasm_host_hyper::HttpCaller::builder().resolver(Never).build());
    let mut limits = patient();
    limits.http.connect = Duration::from_millis(50);
    let plugin = calls.plugin("p", NATIVE_CALL_OUT).config(get(&server.url("/"))).grants(server.grant());
    let plugin = plugin.limits(limits).load(&calls.engine).await.unwrap();
    assert_eq!(calls.ask(&plugin).await, ["call failed: no connection: it took too long"]);
}

#[tokio::test]
async fn a_response_over_the_limit_is_refused() {
    let server = Server::start().await;
    let small = |limits: &mut Limits| limits.http.response_bytes = 10_000;
    // Announced, and found when it comes.
    for path in ["/large/20000", "/flood"] {
        assert_eq!(gets(&server, path, small).await, [LARGE], "{path}");
    }
    assert!(gets(&server, "/large/9000", small).await[0].starts_with("200 xxx"));
}

#[tokio::test]
async fn a_request_over_the_limit_is_not_sent() {
    let server = Server::start().await;
    let calls = Calls::new();
    let config = json!({ "on": "request", "method": "POST", "url": server.url("/"), "body": "x".repeat(2000) });
    let mut limits = patient();
    limits.http.request_bytes = 1000;
    let plugin = calls.plugin("p", NATIVE_CALL_OUT).config(config).grants(server.grant()).limits(limits);
    let plugin = plugin.load(&calls.engine).await.unwrap();
    assert_eq!(calls.ask(&plugin).await, ["call refused: over `limits.http.request_bytes`"]);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let server = Server::start().await;
    assert!(gets(&server, "/upgrade", |_| ()).await[0].starts_with("call failed: no whole response"));
    let port = {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        closed.local_addr().unwrap().port()
    };
    let calls = Calls::new();
    let mut grants = server.grant();
    grants.http.ports = vec![port];
    let logged = calls.run(NATIVE_CALL_OUT, get(&format!("http://localhost:{port}/")), grants.clone()).await;
    assert!(logged[0].starts_with("call failed: no connection: "), "{logged:?}");
    let (calls, _) = Calls::resolving([&[][..]]);
    let logged = calls.run(NATIVE_CALL_OUT, get(&format!("http://localhost:{port}/")), grants).await;
    assert_eq!(logged, ["call failed: the host is not found: the name has no address"]);
}
