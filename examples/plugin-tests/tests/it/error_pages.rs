use std::sync::Arc;

use http::StatusCode;
use http_body_util::BodyExt;
use plugin_tests::{API_KEY_AUTH, ERROR_PAGES};
use serde_json::{Value, json};
use wasm_host::{
    Body, ErrorOutcome, Exchange, ExchangeFacts, Grants, Names, PluginChain, RequestOutcome, UpstreamFailure,
    UpstreamFailureKind as Kind,
};

use crate::harness::{answer, builder, chain, engine, example_config, exchange, facts, get, refusal};

const BROWSER: (&str, &str) = ("accept", "application/xhtml+xml, text/html;q=0.9");

fn failure(kind: Kind, status: u16) -> UpstreamFailure {
    UpstreamFailure {
        service: Some("shop".into()),
        kind,
        message: "secret address".into(),
        status: StatusCode::from_u16(status).unwrap(),
    }
}

async fn pages(config: Value) -> PluginChain {
    let grants = Grants { upstreams: Names::Only(vec!["fallback".into()]), ..Grants::default() };
    PluginChain::new([builder(ERROR_PAGES, config).grants(grants).load(engine()).await.unwrap()]).unwrap()
}

async fn without_retry() -> Value {
    let mut config = example_config(ERROR_PAGES);
    config.as_object_mut().unwrap().remove("retry");
    config
}

async fn sent(chain: &PluginChain, headers: &[(&str, &str)]) -> Exchange {
    let services: Arc<[Arc<str>]> = Arc::from([Arc::from("shop"), Arc::from("fallback")]);
    let mut exchange = chain.exchange(ExchangeFacts { services, ..facts("pages-<1>") });
    let RequestOutcome::Continue(_) = exchange.on_request(get("/", headers)).await else { panic!("answered") };
    exchange
}

struct Page {
    status: u16,
    content_type: String,
    retry_after: Option<String>,
    body: String,
}

async fn page(exchange: &mut Exchange, failure: UpstreamFailure) -> Option<Page> {
    let response = match exchange.on_error(&failure).await {
        ErrorOutcome::Respond(response) => response,
        ErrorOutcome::Unanswered => return None,
        ErrorOutcome::Retry(request) => panic!("{request:?}"),
    };
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("cache-control").unwrap(), "no-store");
    Some(Page {
        status: response.status().as_u16(),
        content_type: header("content-type").unwrap(),
        retry_after: header("retry-after"),
        body: text(response.into_body()).await,
    })
}

async fn text(body: Body) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn the_first_page_that_fits_answers() {
    let chain = pages(without_retry().await).await;
    for (kind, status, message, retry_after) in [
        (Kind::Timeout, 504, "This takes too long. Try again in a minute.", Some("60")),
        (Kind::Status, 503, "We are busy.", None),
        (Kind::Status, 500, "Our service cannot be reached.", None),
        (Kind::Connect, 502, "Our service cannot be reached.", None),
    ] {
        let page = page(&mut sent(&chain, &[]).await, failure(kind, status)).await.unwrap();
        assert_eq!((page.status, page.retry_after.as_deref()), (status, retry_after));
        assert_eq!(page.content_type, "application/json");
        let json: Value = serde_json::from_str(&page.body).unwrap();
        assert_eq!(json, json!({ "error": message, "status": status, "id": "pages-<1>" }));
    }
}

#[tokio::test]
async fn a_browser_gets_html_and_no_markup_of_others() {
    let chain = pages(without_retry().await).await;
    let busy = page(&mut sent(&chain, &[BROWSER]).await, failure(Kind::Status, 503)).await.unwrap();
    assert_eq!(busy.content_type, "text/html; charset=utf-8");
    assert_eq!(busy.body, "<!doctype html><h1>We are busy.</h1><p>pages-&lt;1&gt;</p>");
    let built_in = page(&mut sent(&chain, &[BROWSER]).await, failure(Kind::Connect, 502)).await.unwrap();
    assert!(built_in.body.contains("<h1>Our service cannot be reached.</h1>\n<p>Status 502"), "{}", built_in.body);
    assert!(!built_in.body.contains("secret"));
}

#[tokio::test]
async fn a_request_is_sent_once_to_the_fallback() {
    let chain = pages(example_config(ERROR_PAGES)).await;
    let mut exchange = sent(&chain, &[("x-a", "1")]).await;
    let ErrorOutcome::Retry(again) = exchange.on_error(&failure(Kind::Connect, 502)).await else { panic!("no retry") };
    assert_eq!(again.headers()["x-a"], "1");
    assert_eq!(exchange.routing().service.as_deref(), Some("fallback"));
    assert!(page(&mut exchange, failure(Kind::Connect, 502)).await.is_some());
    let page = page(&mut sent(&chain, &[]).await, failure(Kind::Timeout, 504)).await.unwrap();
    assert_eq!(page.status, 504, "what may have been done is not done twice");
}

#[tokio::test]
async fn a_failed_plugin_has_a_page() {
    // A consumer whose name is no header value makes this plugin fail.
    let fails = json!({ "keys": [{ "name": "a\nb", "key": "k" }] });
    let fails = builder(API_KEY_AUTH, fails).load(engine()).await.unwrap();
    let pages = builder(ERROR_PAGES, without_retry().await).load(engine()).await.unwrap();
    let chain = PluginChain::new([pages, fails]).unwrap();
    let passed = exchange(&chain, facts("pages-2"), get("/", &[("x-api-key", "k")]), answer(200, &[])).await;
    assert_eq!(passed.status(), 500);
    assert_eq!(passed.json()["error"], "Something is wrong on our side.");
}

#[tokio::test]
async fn what_has_no_page_is_the_hosts() {
    let chain = chain(ERROR_PAGES, json!({ "pages": [{ "statuses": [503], "message": "busy" }] })).await;
    assert!(page(&mut sent(&chain, &[]).await, failure(Kind::Connect, 502)).await.is_none());
    assert!(page(&mut sent(&chain, &[]).await, failure(Kind::Status, 503)).await.is_some());
}

#[tokio::test]
async fn sees_the_failures_it_is_told() {
    for (failures, statuses, unreachable, plugins) in [
        (json!(null), true, true, false),
        (json!(["plugins"]), false, false, true),
        (json!(["unreachable"]), false, true, false),
    ] {
        let mut config = json!({ "pages": [], "failures": failures });
        if failures.is_null() {
            config.as_object_mut().unwrap().remove("failures");
        }
        let plugin = builder(ERROR_PAGES, config).load(engine()).await.unwrap();
        let watched = plugin.watched();
        assert_eq!((watched.server_errors, watched.unreachable, watched.plugins), (statuses, unreachable, plugins));
    }
}

#[tokio::test]
async fn refuses_bad_configs() {
    for (config, text) in [
        (json!(null), "missing field `pages`"),
        (json!({ "pages": [], "failures": [] }), "`failures` is empty"),
        (json!({ "pages": [{ "statuses": [99], "message": "" }] }), "is not 200 to 599"),
        (json!({ "pages": [{ "kinds": ["slow"], "message": "" }] }), "expected one of `connect`, `timeout`"),
        (json!({ "pages": [], "html": "{{message" }), "a `{{` has no closing `}}`"),
        (json!({ "pages": [], "html": "{{stack}}" }), "there are `status`, `message` and `id`"),
        (json!({ "pages": [], "retry": { "service": "" } }), "`retry.service` is empty"),
        (json!({ "pages": [{ "html": "a" }] }), "missing field `message`"),
    ] {
        let error = refusal(ERROR_PAGES, config).await;
        assert!(error.contains(text), "{error}");
    }
}
