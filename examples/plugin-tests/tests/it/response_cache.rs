mod rules;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, channel::Channel};
use plugin_tests::RESPONSE_CACHE;
use serde_json::{Value, json};
use wasm_host::{Body, Exchange, Grants, Plugin, PluginChain, RequestOutcome};

use crate::harness::{Passed, engine, example_config, exchange, facts, frames, get, refusal};

const MINUTE: (&str, &str) = ("cache-control", "max-age=60");

/// The chain of the plugin. Its responses are its own by its name.
async fn cache(name: &str, config: Value) -> PluginChain {
    let grants = Grants { cache: true, ..Grants::default() };
    let builder = Plugin::builder(name).file(RESPONSE_CACHE.file).config(config).grants(grants);
    PluginChain::new([builder.load(engine()).await.unwrap()]).unwrap()
}

async fn ask(chain: &PluginChain, headers: &[(&str, &str)], answer: Response<Body>) -> Passed {
    exchange(chain, facts("cache-1"), get("/", headers), answer).await
}

async fn send(chain: &PluginChain, method: Method, answer: Response<Body>) -> Passed {
    let mut request = get("/", &[]);
    *request.method_mut() = method;
    exchange(chain, facts("cache-2"), request, answer).await
}

/// The answer of an upstream, its length known.
fn says(text: &'static str, headers: &[(&str, &str)]) -> Response<Body> {
    let response = Response::builder().header("content-length", text.len()).header("content-type", "text/plain");
    headers.iter().fold(response, |response, (name, value)| response.header(*name, *value)).body(text.into()).unwrap()
}

fn with_status(status: u16, mut response: Response<Body>) -> Response<Body> {
    *response.status_mut() = status.try_into().unwrap();
    response
}

/// Begins an exchange that is sent on to the upstream.
async fn sent_on(chain: &PluginChain, request: Request<Body>) -> Exchange {
    let mut exchange = chain.exchange(facts("cache-3"));
    match exchange.on_request(request).await {
        RequestOutcome::Continue(_) => exchange,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_miss_is_kept_and_answers_the_next() {
    let chain = cache("cache-hit", example_config(RESPONSE_CACHE)).await;
    let missed = ask(&chain, &[], says("one", &[MINUTE, ("x-own", "1"), ("cache-status", "origin; hit")])).await;
    assert!(missed.upstream.is_some());
    assert_eq!(missed.header("cache-status"), ["origin; hit", "edge; fwd=uri-miss; stored"]);
    let hit = ask(&chain, &[], says("two", &[])).await;
    assert!(hit.upstream.is_none());
    assert_eq!((hit.status(), &*hit.body), (200, "one"));
    assert_eq!(hit.header("cache-status"), ["origin; hit", "edge; hit"]);
    assert_eq!((hit.header("age"), hit.header("x-own")), (vec!["0"], vec!["1"]));
    assert_eq!(hit.header("content-type"), ["text/plain"]);
    assert_eq!(hit.header("date").len(), 1, "of when it came");
}

#[tokio::test]
async fn each_target_has_its_own() {
    let chain = cache("cache-targets", json!({})).await;
    let ask = async |target: &str, host: &'static str| {
        let mut request = get(target, &[]);
        request.headers_mut().insert("host", host.parse().unwrap());
        exchange(&chain, facts("cache-4"), request, says("one", &[MINUTE])).await.upstream.is_some()
    };
    assert!(ask("/a", "a.example").await);
    for (target, host, is_missed) in [
        ("/a", "a.example", false),
        ("/a", "A.example", false),
        ("/a?", "a.example", true),
        ("/a?b", "a.example", true),
        ("/A", "a.example", true),
        ("/a", "b.example", true),
    ] {
        assert_eq!(ask(target, host).await, is_missed, "{host}{target}");
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_kept_as_it_flows() {
    let chain = cache("cache-flow", json!({})).await;
    let flowing = || Response::builder().header(MINUTE.0, MINUTE.1).body(frames(["first ", "second"])).unwrap();
    let missed = ask(&chain, &[], flowing()).await;
    assert_eq!((&*missed.body, missed.header("cache-status")), ("first second", vec!["response-cache; fwd=uri-miss"]));
    let hit = ask(&chain, &[], says("two", &[])).await;
    assert_eq!((&*hit.body, hit.upstream.is_none()), ("first second", true));
}

#[tokio::test]
async fn what_must_not_be_kept_is_not() {
    let future = httpdate::fmt_http_date(std::time::SystemTime::now() + std::time::Duration::from_secs(60));
    let expires: (&str, &str) = ("expires", &future);
    let chain = cache("cache-never", json!({})).await;
    for (status, headers) in [
        (200, vec![]),
        (200, vec![("cache-control", "no-store, max-age=60")]),
        (200, vec![("cache-control", "private, max-age=60")]),
        (200, vec![("cache-control", "private=\"x-a\", max-age=60")]),
        (200, vec![("cache-control", "No-Cache"), MINUTE]),
        (200, vec![("cache-control", "max-age=0"), expires]),
        (200, vec![("cache-control", "max-age=60, s-maxage=0")]),
        (200, vec![("cache-control", "max-age=soon")]),
        (200, vec![MINUTE, ("age", "60")]),
        (200, vec![("expires", "0")]),
        (200, vec![MINUTE, ("set-cookie", "a=1")]),
        (200, vec![MINUTE, ("vary", "accept, *")]),
        (206, vec![MINUTE]),
        (500, vec![MINUTE]),
        (418, vec![MINUTE]),
    ] {
        for _ in 0..2 {
            let passed = ask(&chain, &[], with_status(status, says("one", &headers))).await;
            assert_eq!(passed.header("cache-status"), ["response-cache; fwd=uri-miss"], "{status} {headers:?}");
            assert_eq!((passed.status(), &*passed.body), (status, "one"));
        }
    }
    // The last of these is kept: the loop was not blind.
    ask(&chain, &[], says("one", &[expires])).await;
    assert!(ask(&chain, &[], says("two", &[])).await.upstream.is_none());
}

#[tokio::test]
async fn the_operator_may_keep_more() {
    let chain = cache("cache-more", json!({ "default_ttl": 60, "store_cookies": true })).await;
    ask(&chain, &[], says("one", &[("set-cookie", "a=1")])).await;
    let hit = ask(&chain, &[], says("two", &[])).await;
    assert_eq!((&*hit.body, hit.header("set-cookie")), ("one", vec!["a=1"]));
}

#[tokio::test]
async fn a_response_is_as_old_as_it_says() {
    let chain = cache("cache-age", json!({})).await;
    ask(&chain, &[], says("one", &[MINUTE, ("age", "40")])).await;
    let hit = ask(&chain, &[], says("two", &[])).await;
    assert_eq!(hit.header("age"), ["40"]);
}

#[tokio::test]
async fn variants_are_told_apart() {
    let chain = cache("cache-vary", json!({})).await;
    let ask = async |language: &[(&str, &str)], text| {
        let passed = ask(&chain, language, says(text, &[MINUTE, ("vary", "Accept-Language")])).await;
        (passed.body.clone(), passed.header("cache-status")[0].to_owned())
    };
    let (en, de): (&[_], &[_]) = (&[("accept-language", "en")], &[("accept-language", "de")]);
    let found = |text: &str, status: &str| (text.to_owned(), format!("response-cache; {status}"));
    assert_eq!(ask(en, "hello").await, found("hello", "fwd=uri-miss; stored"));
    assert_eq!(ask(de, "hallo").await, found("hallo", "fwd=vary-miss; stored"));
    assert_eq!(ask(&[], "none").await, found("none", "fwd=vary-miss; stored"));
    assert_eq!(ask(en, "").await, found("hello", "hit"));
    assert_eq!(ask(de, "").await, found("hallo", "hit"));
    assert_eq!(ask(&[], "").await, found("none", "hit"));
}

#[tokio::test]
async fn what_is_for_one_client_is_for_no_other() {
    let key = [("authorization", "Bearer 1")];
    for (name, control, is_shared) in [
        ("cache-authorized", "max-age=60", false),
        ("cache-public", "public, max-age=60", true),
        ("cache-s-maxage", "s-maxage=60", true),
        ("cache-must", "must-revalidate, max-age=60", true),
    ] {
        let chain = cache(name, json!({})).await;
        let headers = [("cache-control", control)];
        ask(&chain, &key, says("one", &headers)).await;
        assert_eq!(ask(&chain, &[], says("two", &headers)).await.upstream.is_none(), is_shared, "{control}");
        let passed = ask(&chain, &key, says("three", &headers)).await;
        assert_eq!(passed.upstream.is_none(), is_shared, "{control}");
        assert!(is_shared || passed.header("cache-status") == ["response-cache; fwd=miss"]);
    }
}

#[tokio::test]
async fn a_client_says_how_old_a_response_may_be() {
    let chain = cache("cache-client", json!({})).await;
    let ask = async |control, text| {
        let passed = ask(&chain, &[("cache-control", control)], says(text, &[MINUTE, ("age", "10")])).await;
        (passed.body.clone(), passed.header("cache-status")[0].to_owned())
    };
    let found = |text: &str, status: &str| (text.to_owned(), format!("response-cache; {status}"));
    assert_eq!(ask("no-store", "secret").await, found("secret", "fwd=bypass"));
    assert_eq!(ask("only-if-cached", "").await, found("", "detail=only-if-cached"));
    assert_eq!(ask("no-cache", "one").await, found("one", "fwd=request; stored"));
    assert_eq!(ask("max-age=9", "two").await, found("two", "fwd=request; stored"));
    assert_eq!(ask("max-age=30", "").await, found("two", "hit"));
    assert_eq!(ask("only-if-cached", "").await, found("two", "hit"));
    assert_eq!(ask("no-cache", "three").await, found("three", "fwd=request; stored"));
    assert_eq!(ask("max-stale", "").await, found("three", "hit"));
}

#[tokio::test]
async fn a_miss_that_must_be_no_request_is_a_504() {
    let chain = cache("cache-504", json!({})).await;
    let passed = ask(&chain, &[("cache-control", "only-if-cached")], says("one", &[MINUTE])).await;
    assert_eq!((passed.status(), passed.upstream.is_none()), (504, true));
}

#[tokio::test]
async fn a_client_that_has_it_already_is_told_so() {
    let chain = cache("cache-304", json!({})).await;
    let changed = ("last-modified", "Tue, 03 Nov 2026 08:00:00 GMT");
    ask(&chain, &[], says("one", &[MINUTE, ("etag", "\"a,1\""), changed, ("x-own", "1")])).await;
    for (condition, status) in [
        (("if-none-match", "\"b\", W/\"a,1\""), 304),
        (("if-none-match", "*"), 304),
        (("if-none-match", "\"b\""), 200),
        (("if-modified-since", changed.1), 304),
        (("if-modified-since", "Mon, 02 Nov 2026 08:00:00 GMT"), 200),
        (("if-modified-since", "yesterday"), 200),
    ] {
        let passed = ask(&chain, &[condition], says("two", &[])).await;
        assert_eq!((passed.status(), passed.upstream.is_none()), (status, true), "{condition:?}");
        assert_eq!(passed.body, if status == 304 { "" } else { "one" });
        assert_eq!(passed.header("etag"), ["\"a,1\""]);
        assert_eq!((passed.header("cache-control"), passed.header("age")), (vec!["max-age=60"], vec!["0"]));
        assert_eq!(passed.header("x-own").is_empty(), status == 304);
        assert_eq!(passed.header("cache-status"), ["response-cache; hit"]);
    }
    let both = [("if-none-match", "\"b\""), ("if-modified-since", changed.1)];
    assert_eq!(ask(&chain, &both, says("two", &[])).await.status(), 200, "the tag comes first");
}

#[tokio::test]
async fn one_renews_while_the_others_get_what_is_stale() {
    let chain = cache("cache-stale", json!({})).await;
    let headers = [("cache-control", "max-age=0, stale-while-revalidate=60"), ("etag", "\"1\"")];
    ask(&chain, &[], says("one", &headers)).await;
    let mut renewing = sent_on(&chain, get("/", &[("if-none-match", "\"1\"")])).await;
    let stale = ask(&chain, &[], says("two", &[])).await;
    assert_eq!((&*stale.body, stale.upstream.is_none()), ("one", true));
    assert_eq!(stale.header("cache-status"), ["response-cache; hit; detail=stale"]);

    // The upstream was asked without the client's condition, which the cache judges itself.
    let renewed = renewing.on_response(says("renewed", &headers)).await;
    assert_eq!((renewed.status().as_u16(), renewed.headers().get("content-length")), (304, None));
    assert_eq!(renewed.headers()["cache-status"], "response-cache; fwd=stale; stored");
    let _renewing = sent_on(&chain, get("/", &[])).await;
    assert_eq!(ask(&chain, &[], says("two", &[])).await.body, "renewed");
}

#[tokio::test]
async fn nothing_stale_is_used_where_it_must_not_be() {
    let chain = cache("cache-fresh", json!({})).await;
    let headers = [("cache-control", "max-age=0, stale-while-revalidate=60, must-revalidate")];
    for _ in 0..2 {
        assert_eq!(
            ask(&chain, &[], says("one", &headers)).await.header("cache-status"),
            ["response-cache; fwd=uri-miss"]
        );
    }
}

#[tokio::test]
async fn what_changes_a_target_makes_it_be_forgotten() {
    let chain = cache("cache-unsafe", json!({})).await;
    for (method, status, is_forgotten) in [
        (Method::POST, 201, true),
        (Method::PUT, 200, true),
        (Method::DELETE, 303, true),
        (Method::PATCH, 404, false),
        (Method::POST, 500, false),
        (Method::OPTIONS, 200, false),
    ] {
        ask(&chain, &[], says("one", &[MINUTE])).await;
        let changed = send(&chain, method.clone(), with_status(status, says("done", &[MINUTE]))).await;
        assert_eq!(changed.header("cache-status"), ["response-cache; fwd=method"]);
        let passed = ask(&chain, &[], says("two", &[MINUTE])).await;
        assert_eq!(passed.upstream.is_some(), is_forgotten, "{method} {status}");
    }
}

#[tokio::test]
async fn a_response_that_was_asked_for_before_a_change_is_not_kept_after_it() {
    let chain = cache("cache-race", json!({})).await;
    let vary = [MINUTE, ("vary", "accept")];
    ask(&chain, &[("accept", "a")], says("old a", &vary)).await;
    let mut late = sent_on(&chain, get("/", &[("accept", "b")])).await;
    send(&chain, Method::POST, says("done", &[])).await;
    let late = late.on_response(says("old b", &vary)).await;
    assert_eq!(late.headers()["cache-status"], "response-cache; fwd=vary-miss");
    // What was kept of it before does not come back with what is kept of it next.
    ask(&chain, &[("accept", "c")], says("new c", &vary)).await;
    for accept in ["a", "b"] {
        assert_eq!(ask(&chain, &[("accept", accept)], says("new", &vary)).await.body, "new");
    }
}

#[tokio::test]
async fn a_head_is_answered_by_what_a_get_left() {
    let chain = cache("cache-head", json!({})).await;
    let missed = send(&chain, Method::HEAD, says("", &[MINUTE])).await;
    assert_eq!(missed.header("cache-status"), ["response-cache; fwd=uri-miss"]);
    ask(&chain, &[], says("one", &[MINUTE])).await;
    let hit = send(&chain, Method::HEAD, says("", &[])).await;
    assert!(hit.upstream.is_none());
    assert_eq!(
        (hit.header("content-type"), hit.header("cache-status")),
        (vec!["text/plain"], vec!["response-cache; hit"])
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_flows_past() {
    let chain = cache("cache-large", json!({ "max_body": 5 })).await;
    for _ in 0..2 {
        let known = ask(&chain, &[], says("123456", &[MINUTE])).await;
        let unknown = Response::builder().header(MINUTE.0, MINUTE.1).body(frames(["1234", "5678"])).unwrap();
        let unknown = ask(&chain, &[], unknown).await;
        assert_eq!((&*known.body, &*unknown.body), ("123456", "12345678"));
        assert!(known.upstream.is_some() && unknown.upstream.is_some());
    }
    ask(&chain, &[], says("12345", &[MINUTE])).await;
    assert_eq!(ask(&chain, &[], says("", &[])).await.body, "12345");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_kept() {
    let chain = cache("cache-broken", json!({})).await;
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(2);
    let answer = Response::builder().header(MINUTE.0, MINUTE.1).body(Body::new(body)).unwrap();
    let mut exchange = sent_on(&chain, get("/", &[])).await;
    let response = exchange.on_response(answer).await;
    sender.send_data(Bytes::from("part")).await.unwrap();
    sender.abort(std::io::Error::other("reset"));
    response.into_body().collect().await.unwrap_err();
    exchange.finish();
    assert!(ask(&chain, &[], says("whole", &[])).await.upstream.is_some());
}

#[tokio::test]
async fn requests_that_are_not_for_a_cache_pass_it() {
    let chain = cache("cache-bypass", json!({})).await;
    ask(&chain, &[], says("one", &[MINUTE])).await;
    for header in [("range", "bytes=0-1"), ("if-match", "\"a\""), ("upgrade", "websocket"), ("content-length", "1")] {
        let passed = ask(&chain, &[header], says("two", &[MINUTE])).await;
        assert_eq!((&*passed.body, passed.header("cache-status")), ("two", vec!["response-cache; fwd=bypass"]));
    }
    assert_eq!(ask(&chain, &[], says("two", &[])).await.body, "one");
}

#[tokio::test]
async fn without_its_grant_it_is_no_cache() {
    let builder = Plugin::builder("cache-denied").file(RESPONSE_CACHE.file);
    let chain = PluginChain::new([builder.load(engine()).await.unwrap()]).unwrap();
    for _ in 0..2 {
        let passed = ask(&chain, &[], says("one", &[MINUTE])).await;
        assert_eq!((&*passed.body, passed.header("cache-status")), ("one", vec!["response-cache; fwd=bypass"]));
    }
}

#[tokio::test]
async fn refuses_bad_configs() {
    for (config, text) in [
        (json!({ "name": "" }), "`name: ` is not a token"),
        (json!({ "name": "a b" }), "`name: a b` is not a token"),
        (json!({ "max_body": 0 }), "`max_body: 0` keeps nothing"),
        (json!({ "max_body": 2 << 20 }), "`limits.body_bytes`"),
        (json!({ "default_ttl": -1 }), "invalid value"),
        (json!({ "ttl": 1 }), "unknown field `ttl`"),
    ] {
        let error = refusal(RESPONSE_CACHE, config).await;
        assert!(error.contains(text), "{error}");
    }
}
