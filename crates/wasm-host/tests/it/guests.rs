//! Each guest does what it is there for.

mod capabilities;
mod carries_wit;
mod refused;

pub(crate) use self::{capabilities::*, carries_wit::*, refused::*};
pub(crate) use crate::abi_aegis::*;

use std::sync::Arc;

use http::HeaderValue;
use http_body_util::BodyExt;
use serde_json::json;
use test_guests as guest;
use wasm_host::{
    ErrorOutcome, ExchangeFacts, Grants, Names, Plugin, PluginChain, PoolPolicy, RequestOutcome, Reuse, Summary,
    UpstreamFailure, UpstreamFailureKind,
};

pub(crate) use crate::abi_blitz::*;
pub(crate) use crate::abi_odin::*;
pub(crate) use crate::command::*;
use crate::common::{
    Logged, answered, ask, engine, load, load_with, open, passed, plugin, request, response, status, streamed_request,
    streamed_response, text,
};

pub(crate) use crate::abi_sgl::*;

#[tokio::test]
pub(crate) async fn native_observe() {
    let logged = Logged::default();
    let observe = plugin(guest::NATIVE_OBSERVE).load(&logged.engine()).await.unwrap();
    let facts = ExchangeFacts {
        id: "id-7".into(),
        route: Some("all".into()),
        client_address: Some([192, 0, 2, 1].into()),
        ..ExchangeFacts::default()
    };
    let mut exchange = PluginChain::new([observe]).unwrap().exchange(facts);
    passed(exchange.on_request(request(&[("a", "b")])).await);
    exchange.on_response(response(404)).await;
    assert_eq!(
        logged.lines(),
        [
            "test id-7 Info : GET example.test /path?q=1 2 headers for None via Some(\"all\") from Some(\"192.0.2.1\") as id-7",
            "test id-7 Info : 404 1 headers",
        ]
    );
}

#[tokio::test]
pub(crate) async fn native_edit() {
    edits(guest::NATIVE_EDIT).await;
}

async fn edits(file: &str) {
    let mut exchange = open([load(file).await]);
    let headers = [
        ("x-set", "old"),
        ("x-set", "older"),
        ("x-many", "first"),
        ("x-remove", "1"),
        ("x-remove", "2"),
        ("kept", "k"),
    ];
    let request = passed(exchange.on_request(request(&headers)).await);
    assert_eq!(request.method(), "PUT");
    assert_eq!(request.uri(), "/edited?by=plugin");
    assert_eq!(request.headers()["host"], "edited.example:8443");
    assert_eq!(values(request.headers(), "x-set"), ["one"]);
    assert_eq!(values(request.headers(), "x-many"), ["first", "last"]);
    assert_eq!(values(request.headers(), "x-remove"), [""; 0]);
    assert_eq!(request.headers()["x-removed"], "2");
    assert_eq!(request.headers()["x-bytes"], HeaderValue::from_bytes(&[0xff, b'a', b'\t', 0x80]).unwrap());
    assert_eq!(request.headers()["kept"], "k");
    assert_eq!(text(request.into_body()).await, "request body");

    let mut failed = response(500);
    failed.headers_mut().insert("set-cookie", HeaderValue::from_static("a=1"));
    let response = exchange.on_response(failed).await;
    assert_eq!(response.status(), 503);
    assert_eq!(values(response.headers(), "set-cookie"), ["a=1", "b=2"]);
    assert!(!response.headers().contains_key("server"));
    assert_eq!(text(response.into_body()).await, "response body");
}

fn values(headers: &http::HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
pub(crate) async fn native_invalid_edits() {
    let mut exchange = open([load(guest::NATIVE_INVALID_EDITS).await]);
    let told = text(answered(exchange.on_request(request(&[])).await).into_body()).await;
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            r#"Err(EditError::InvalidName("a b"))"#,
            r#"Err(EditError::InvalidValue("a"))"#,
            r#"Err(EditError::Forbidden("transfer-encoding"))"#,
            r#"Err(EditError::Forbidden("content-length"))"#,
            r#"Err(EditError::Forbidden("host"))"#,
            r#"Err(EditError::InvalidMethod("GE T"))"#,
            r#"Err(EditError::InvalidPath("no-slash"))"#,
            r#"Err(EditError::InvalidAuthority("a b"))"#,
            "Err(EditError::TooLarge)",
            "Some(EditError::InvalidStatus(1000))",
            "Some(EditError::InvalidStatus(101))",
        ]
    );
}

#[tokio::test]
pub(crate) async fn native_misbehave() {
    // Told nothing, it behaves; the limits have their own tests.
    assert_eq!(status(&load(guest::NATIVE_MISBEHAVE).await, &[]).await, 0);
}

#[tokio::test]
pub(crate) async fn native_scenario() {
    // Told nothing, it does nothing; what it does has its own tests.
    assert_eq!(status(&load(guest::NATIVE_SCENARIO).await, &[]).await, 0);
}

#[tokio::test]
pub(crate) async fn native_count() {
    let kept = PoolPolicy::Reuse(Reuse::default());
    for (policy, expected) in [(PoolPolicy::Fresh, ["1", "1", "1"]), (kept, ["1", "2", "3"])] {
        let count = plugin(guest::NATIVE_COUNT).pool(policy).load(engine()).await.unwrap();
        for expected in expected {
            assert_eq!(text(answered(ask(&count, &[]).await).into_body()).await, expected);
        }
    }
}

#[tokio::test]
pub(crate) async fn native_share() {
    let first = plugin(guest::NATIVE_SHARE).config(json!({ "name": "a" })).priority(-1).load(engine()).await.unwrap();
    let second = load_with(guest::NATIVE_SHARE, json!({ "name": "b" })).await;
    let mut exchange = open([second, first]);
    assert_eq!(passed(exchange.on_request(request(&[])).await).headers()["x-trail"], "ab");
    assert_eq!(exchange.on_response(response(200)).await.headers()["x-trail"], "abba");
}

#[tokio::test]
pub(crate) async fn native_choose() {
    let grants = Grants { upstreams: Names::Only(vec!["canary".into(), "gone".into()]), ..Grants::default() };
    let choose = plugin(guest::NATIVE_CHOOSE).grants(grants).load(engine()).await.unwrap();
    let services: Arc<[Arc<str>]> = Arc::from(["main".into(), "canary".into()]);
    let ask = async |service| {
        let mut exchange = PluginChain::new([choose.clone()])
            .unwrap()
            .exchange(ExchangeFacts { services: Arc::clone(&services), ..ExchangeFacts::default() });
        match exchange.on_request(request(&[("x-service", service)])).await {
            RequestOutcome::Continue(_) => exchange.routing().service.as_ref().unwrap().to_string(),
            RequestOutcome::Respond(response) => text(response.into_body()).await,
            RequestOutcome::BodyFailed(error) => panic!("{error}"),
        }
    };
    assert_eq!(ask("canary").await, "canary");
    assert_eq!(ask("main").await, "denied");
    assert_eq!(ask("gone").await, "unknown");
}

#[tokio::test]
pub(crate) async fn native_write_log() {
    crate::logging::messages_carry_fields().await;
}

#[tokio::test]
pub(crate) async fn native_tell_facts() {
    crate::repeatable::a_run_can_be_repeated().await;
}

#[tokio::test]
pub(crate) async fn native_tick() {
    crate::ticks::a_plugin_ticks_between_requests().await;
}

#[tokio::test]
pub(crate) async fn native_gate() {
    let gate = load_with(guest::NATIVE_GATE, json!({ "token": "open" })).await;
    assert_eq!(status(&gate, &[("x-token", "open")]).await, 0);
    let answer = answered(ask(&gate, &[("x-token", "shut")]).await);
    assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (403, "text/plain"));
    assert_eq!(text(answer.into_body()).await, "closed");
}

#[tokio::test]
pub(crate) async fn native_filter() {
    filters(&load(guest::NATIVE_FILTER).await).await;
}

async fn filters(filter: &Plugin) {
    let marked = passed(ask(filter, &[("authorization", "Bearer secret")]).await);
    assert_eq!(marked.headers()["x-plugin"], "1");
    assert_eq!(status(filter, &[("authorization", "Bearer guess")]).await, 401);
    assert_eq!(status(filter, &[]).await, 401);
}

#[tokio::test]
pub(crate) async fn native_empty() {
    let request = passed(ask(&load(guest::NATIVE_EMPTY).await, &[("a", "b")]).await);
    assert_eq!(values(request.headers(), "a"), ["b"]);
}

#[tokio::test]
pub(crate) async fn native_configure() {
    let configure = load_with(guest::NATIVE_CONFIGURE, json!({ "status": 418 })).await;
    assert_eq!(status(&configure, &[]).await, 418);
    let refused = plugin(guest::NATIVE_CONFIGURE).config(json!({ "stauts": 418 })).load(engine()).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "plugin `test` refuses its config: unknown field `stauts`, expected `status` at line 1 column 9"
    );
    let secret = plugin(guest::NATIVE_CONFIGURE).config(json!({ "status": "sk-secret" })).load(engine()).await;
    assert_eq!(
        secret.unwrap_err().to_string(),
        "plugin `test` refuses its config: invalid type: string \"[the value of /status]\", expected u16 at line 1 column 21"
    );
}

#[tokio::test]
pub(crate) async fn native_brand_errors() {
    let mut exchange = open([load(guest::NATIVE_BRAND_ERRORS).await]);
    passed(exchange.on_request(request(&[])).await);
    let failure = UpstreamFailure {
        service: Some("shop".into()),
        kind: UpstreamFailureKind::Timeout,
        message: "no answer within 5s".into(),
        status: http::StatusCode::GATEWAY_TIMEOUT,
    };
    let ErrorOutcome::Respond(page) = exchange.on_error(&failure).await else { panic!("no page") };
    assert_eq!(page.status(), 502);
    assert_eq!(text(page.into_body()).await, "sorry: shop (timeout, 504)");
}

#[tokio::test]
pub(crate) async fn native_note_completion() {
    let logged = Logged::default();
    let note = plugin(guest::NATIVE_NOTE_COMPLETION).load(&logged.engine()).await.unwrap();
    let observe = Plugin::builder("observe").file(guest::NATIVE_OBSERVE).load(engine()).await.unwrap();
    let mut exchange = open([note, observe]);
    passed(exchange.on_request(request(&[])).await);
    exchange
        .complete(Summary {
            status: Some(http::StatusCode::OK),
            duration: std::time::Duration::from_millis(3),
            response_bytes: 13,
            finished: true,
            ..Summary::default()
        })
        .await;
    assert_eq!(
        logged.lines(),
        [
            "test exchange-1 Info : exchange-1 ended: Some(200), 13 bytes, finished true",
            "test exchange-1 Info : observe:request=continue x1",
        ]
    );
}

#[tokio::test]
pub(crate) async fn native_bodies() {
    let config = json!({ "request": { "mode": "lines", "act": "upper", "end": "append" } });
    let mut exchange = open([load_with(guest::NATIVE_BODIES, config).await]);
    let request = passed(exchange.on_request(request(&[])).await);
    assert_eq!(text(request.into_body()).await, "REQUEST BODYappended");
}

#[tokio::test]
pub(crate) async fn native_stream() {
    let mut exchange = open([load(guest::NATIVE_STREAM).await]);
    let request = passed(exchange.on_request(streamed_request(["a\nb", "b\nccc"])).await);
    assert_eq!(text(request.into_body()).await, "1: a\n2: bb\n3: ccc3 lines");
    let response = exchange.on_response(streamed_response(["data: 1\n\nda", "ta: [DONE]\n\n: end\n"])).await;
    assert_eq!(response.headers()["trailer"], "x-events");
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-events"], "1");
    assert_eq!(body.to_bytes(), "data: 1\n\ndata: [DONE]\n\n: end\n");
}
