//! Plugins answer in the place of what failed, or have the request sent again.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use test_guests as guest;
use wasm_host::{
    ErrorOutcome, Exchange, ExchangeFacts, FailureClass, Grants, Names, Plugin, PluginChain, UpstreamFailure,
    UpstreamFailureKind,
};

use crate::common::{answered, engine, load, load_with, open, passed, plugin, request, streamed_request, text};

fn failure(kind: UpstreamFailureKind, status: u16) -> UpstreamFailure {
    UpstreamFailure {
        service: Some("shop".into()),
        kind,
        message: "test".into(),
        status: StatusCode::from_u16(status).unwrap(),
    }
}

async fn brand(config: Value) -> Plugin {
    load_with(guest::NATIVE_BRAND_ERRORS, config).await
}

async fn sent(plugin: Plugin) -> Exchange {
    let services: Arc<[Arc<str>]> = Arc::from([Arc::from("shop"), Arc::from("spare")]);
    let mut exchange =
        PluginChain::new([plugin]).unwrap().exchange(ExchangeFacts { services, ..ExchangeFacts::default() });
    passed(exchange.on_request(request(&[])).await);
    exchange
}

#[tokio::test]
async fn statuses_and_plugins_are_shown_to_who_asked() {
    let status = failure(UpstreamFailureKind::Status, 503);
    let mut asked = sent(brand(json!({ "all": true })).await).await;
    let ErrorOutcome::Respond(page) = asked.on_error(&status).await else { panic!("no page") };
    assert_eq!(page.headers()["x-failed-path"], "/path");
    assert_eq!(text(page.into_body()).await, "sorry: shop (status, 503)");
    let plain = brand(json!({})).await;
    assert!(!plain.watched().server_errors && plain.watched().unreachable);
    assert!(matches!(sent(plain).await.on_error(&status).await, ErrorOutcome::Unanswered));
}

#[tokio::test]
async fn a_failed_plugin_gets_a_page() {
    let fails = plugin(guest::NATIVE_MISBEHAVE).load(engine()).await.unwrap();
    for (all, status, body) in [(true, 502, "sorry: test (plugin, 500)"), (false, 500, "")] {
        let mut exchange = open([brand(json!({ "all": all })).await, fails.clone()]);
        let answer = answered(exchange.on_request(request(&[("x-do", "panic")])).await);
        assert_eq!(exchange.failures()[0].class, FailureClass::Trap);
        assert_eq!(answer.status(), status);
        assert_eq!(text(answer.into_body()).await, body);
    }
}

#[tokio::test]
async fn a_request_is_sent_again_where_the_plugin_says() {
    let grants = Grants { upstreams: Names::Only(vec!["spare".into()]), ..Grants::default() };
    let retries = plugin(guest::NATIVE_BRAND_ERRORS).config(json!({ "retry": "spare" })).grants(grants);
    let mut exchange = sent(retries.load(engine()).await.unwrap()).await;
    let refused = failure(UpstreamFailureKind::Connect, 502);
    for attempt in ["1", "2", "3"] {
        let ErrorOutcome::Retry(again) = exchange.on_error(&refused).await else { panic!("no retry") };
        assert_eq!((again.uri().path(), again.headers()["host"].as_bytes()), ("/path", &b"example.test"[..]));
        // What the plugin edits when it sees the failure is sent, and seen when that fails as well.
        assert_eq!(again.headers()["x-attempt"], attempt);
        assert_eq!(text(again.into_body()).await, "request body");
        assert_eq!(exchange.routing().service.as_deref(), Some("spare"));
    }
    // Three times, and then the plugin is told that it cannot be.
    assert!(matches!(exchange.on_error(&refused).await, ErrorOutcome::Respond(_)));
}

#[tokio::test]
async fn a_retry_that_cannot_be_is_no_answer() {
    let refused = failure(UpstreamFailureKind::Connect, 502);
    let denied = brand(json!({ "retry": "spare" })).await;
    let mut exchange = sent(denied).await;
    assert!(matches!(exchange.on_error(&refused).await, ErrorOutcome::Unanswered));
    let failure = &exchange.failures()[0];
    assert_eq!(failure.class, FailureClass::InvalidOutput);
    assert!(failure.message.contains("`grants.upstreams` does not name"), "{failure}");

    let insists = brand(json!({ "retry": "", "insist": true })).await;
    let mut exchange = open([insists]);
    // A body that flows is gone when it was sent.
    passed(exchange.on_request(streamed_request(["a"])).await);
    assert!(matches!(exchange.on_error(&refused).await, ErrorOutcome::Unanswered));
    assert!(exchange.failures()[0].message.contains("not `retryable`"));
}

#[tokio::test]
async fn who_has_no_error_phase_is_not_asked() {
    let mut exchange = open([load(guest::NATIVE_CHOOSE).await]);
    passed(exchange.on_request(request(&[])).await);
    let refused = failure(UpstreamFailureKind::Connect, 502);
    assert!(matches!(exchange.on_error(&refused).await, ErrorOutcome::Unanswered));
}
