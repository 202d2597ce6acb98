//! Calls of plugins over real sockets.

mod addresses;
mod aegis;
mod bounds;
mod limits;
mod support;
mod wasi;

use serde_json::json;
use test_guests::NATIVE_CALL_OUT;
use wasm_host::{Exchange, ExchangeFacts, PluginChain, RequestOutcome, UpstreamFailure, UpstreamFailureKind};

use self::support::{Calls, Server, get, request, response};

#[tokio::test]
async fn sends_a_request_and_gets_its_response() {
    let server = Server::start().await;
    let calls = Calls::new();
    let config = json!({ "on": "request", "method": "POST", "url": server.url("/echo"), "body": "hello",
        "headers": { "x-own": "1" } });
    let logged = calls.run(NATIVE_CALL_OUT, config, server.grant()).await;
    assert_eq!(logged.len(), 1);
    let echo = &logged[0];
    assert!(echo.starts_with("200 POST /echo\n"), "{echo}");
    for line in
        [format!("host: localhost:{}", server.port()), "x-own: 1".into(), "content-length: 5".into(), "hello".into()]
    {
        assert!(echo.lines().any(|known| known == line), "{line} in {echo}");
    }
}

#[tokio::test]
async fn connections_are_kept_and_shared_by_plugins() {
    let server = Server::start().await;
    let calls = Calls::new();
    let config = json!({ "on": "request", "url": server.url("/"), "times": 5 });
    for plugin in ["a", "b", "c"] {
        assert_eq!(calls.run_as(plugin, NATIVE_CALL_OUT, config.clone(), server.grant()).await, ["200 ok"; 5]);
    }
    assert_eq!(server.requests(), 15);
    assert!(server.connections() <= 2, "{}", server.connections());
}

/// Calls of each phase. Those of one exchange count together.
#[tokio::test]
async fn every_phase_may_call() {
    let server = Server::start().await;
    let calls = Calls::new();
    for phase in ["configure", "request", "request-body", "response", "response-body", "error", "complete"] {
        let config = json!({ "on": phase, "url": server.url("/") });
        let plugin = calls.plugin(phase, NATIVE_CALL_OUT).config(config).grants(server.grant());
        let plugin = plugin.load(&calls.engine).await.unwrap();
        let mut exchange = PluginChain::new([plugin]).unwrap().exchange(ExchangeFacts::default());
        let RequestOutcome::Continue(_) = exchange.on_request(request(&[])).await else { panic!("{phase}") };
        if phase == "error" {
            fail(&mut exchange).await;
        }
        drop(exchange.on_response(response()).await);
        exchange.complete(wasm_host::Summary::default()).await;
        // Each instance is configured: the one that was made when the plugin was loaded, and that of the exchange.
        let expected: &[&str] = if phase == "configure" { &["200 ok", "200 ok"] } else { &["200 ok"] };
        assert_eq!(calls.logged(phase), expected, "{phase}");
    }
}

async fn fail(exchange: &mut Exchange) {
    let failure = UpstreamFailure {
        service: None,
        kind: UpstreamFailureKind::Connect,
        message: "refused".into(),
        status: http::StatusCode::BAD_GATEWAY,
    };
    exchange.on_error(&failure).await;
}

#[tokio::test]
async fn the_trace_goes_along() {
    use tower::ServiceExt;

    let server = Server::start().await;
    let calls = Calls::new();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (name, own, expected) in [
        ("copied", json!({}), vec![format!("traceparent: {parent}"), "tracestate: vendor=1".to_owned()]),
        ("own", json!({ "traceparent": "00-own" }), vec!["traceparent: 00-own".to_owned()]),
    ] {
        let config = json!({ "on": "request", "url": server.url("/echo"), "headers": own });
        let plugin = calls.plugin(name, NATIVE_CALL_OUT).config(config).grants(server.grant());
        let chain = PluginChain::new([plugin.load(&calls.engine).await.unwrap()]).unwrap();
        let layer = wasm_host_hyper::PluginLayer::new(chain);
        let service = tower::ServiceBuilder::new()
            .layer(layer)
            .service(tower::service_fn(|_| async { Ok::<_, std::convert::Infallible>(response()) }));
        let traced = request(&[("traceparent", parent), ("tracestate", "vendor=1")]);
        drop(service.oneshot(traced).await.unwrap());
        let logged = calls.logged(name);
        let mut traces: Vec<_> = logged[0].lines().filter(|line| line.starts_with("trace")).collect();
        traces.sort_unstable();
        assert_eq!(traces, expected, "{name}");
    }
}

#[tokio::test]
async fn a_client_without_tls_says_so() {
    let server = Server::start().await;
    let calls = Calls::new();
    let config = json!({ "on": "request", "url": format!("https://localhost:{}/", server.port()) });
    let mut grants = server.grant();
    grants.http.schemes = vec![http::uri::Scheme::HTTPS];
    let logged = calls.run(NATIVE_CALL_OUT, config, grants).await;
    assert_eq!(logged, ["call failed: no TLS: the host's client speaks no TLS"]);
}

#[tokio::test]
async fn a_caller_knows_no_services() {
    let calls = Calls::new();
    let mut grants = wasm_host::Grants::default();
    grants.http.services = wasm_host::Names::All;
    let logged = calls.run(NATIVE_CALL_OUT, json!({ "on": "request", "service": ["orders", "/"] }), grants).await;
    assert_eq!(logged, ["call failed: there is no service `orders`"]);
}

#[tokio::test]
async fn refuses_what_would_break_out_of_a_request() {
    let server = Server::start().await;
    let calls = Calls::new();
    let url = server.url("/");
    for (config, expected) in [
        (json!({ "headers": { "x-a": "1\r\nx-evil: 2" } }), "call refused: not a value for the header `x-a`"),
        (json!({ "headers": { "x-a\r\nx-evil": "2" } }), "call refused: not a header name: `x-a\r\nx-evil`"),
        (json!({ "headers": { "Host": "evil" } }), "call refused: the host manages the header `Host`"),
        (
            json!({ "headers": { "transfer-encoding": "chunked" } }),
            "call refused: the host manages the header `transfer-encoding`",
        ),
        (json!({ "method": "GET / HTTP/1.1\r\n" }), "call refused: a call cannot have the method `GET / HTTP/1.1\r\n`"),
        (json!({ "url": "http://localhost@evil/" }), "call refused: the URL has user information"),
    ] {
        let mut call = get(&url);
        call.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        assert_eq!(calls.run(NATIVE_CALL_OUT, call, server.grant()).await, [expected]);
    }
    assert_eq!(server.requests(), 0);
}
