//! The hostcalls of AEGIS that call out.

use http::Method;
use serde_json::json;
use test_guests::AEGIS_EDGE;
use wasm_host::{Grants, PluginChain, RequestOutcome};

use super::support::{Calls, Server, request};

/// What this function answers when it called the URL.
async fn called(entry: &str, url: &str, grants: Grants) -> String {
    let calls = Calls::new();
    let plugin = calls.plugin(entry, AEGIS_EDGE).abi_options(json!({ "entry": entry })).grants(grants);
    let plugin = plugin.load(&calls.engine).await.unwrap();
    let mut exchange = PluginChain::new([plugin]).unwrap().exchange(wasm_host::ExchangeFacts::default());
    let outcome = exchange.on_request(request(&[("x-url", url)])).await;
    let RequestOutcome::Respond(answer) = outcome else { panic!("{entry}: {outcome:?} {:?}", exchange.failures()) };
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn granted(server: &Server) -> Grants {
    let mut grants = server.grant();
    grants.http.methods = vec![Method::GET, Method::POST, Method::PUT, Method::DELETE];
    grants
}

#[tokio::test]
async fn each_method_is_sent_with_its_body_and_type() {
    let server = Server::start().await;
    let url = server.url("/echo?a=1");
    for (entry, body, content_type) in [
        ("get", "", None),
        ("delete", "", None),
        ("post", r#"{"posted":true}"#, Some("application/json")),
        ("put", "put text", Some("text/plain")),
    ] {
        let echo = called(entry, &url, granted(&server)).await;
        assert!(echo.starts_with(&format!("{} /echo?a=1\n", entry.to_uppercase())), "{echo}");
        assert!(echo.ends_with(&format!("\n\n{body}")), "{echo}");
        let sent = echo.lines().find_map(|line| line.strip_prefix("content-type: "));
        assert_eq!(sent, content_type, "{echo}");
    }
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn what_is_not_granted_is_not_called() {
    let server = Server::start().await;
    for entry in ["put", "delete"] {
        assert_eq!(called(entry, &server.url("/echo"), server.grant()).await, "-1");
    }
    assert_eq!(called("get", &server.url("/echo"), Grants::default()).await, "-1");
    assert_eq!(called("get", "no url", granted(&server)).await, "-1");
    assert_eq!(called("get", "http://elsewhere.test/", granted(&server)).await, "-1");
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn a_response_of_more_than_a_mebibyte_is_an_error() {
    let server = Server::start().await;
    assert_eq!(called("get", &server.url(&format!("/large/{}", (1 << 20) + 1)), granted(&server)).await, "-1");
    assert_eq!(called("get", &server.url("/flood"), granted(&server)).await, "-1");
    assert_eq!(server.requests(), 2);
}
