use http::Request;
use serde_json::json;

use crate::support::*;

async fn gateway() -> (Upstream, Gateway) {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&format!(
        "
chain: [all]
routes:
  - {{ name: api, match: {{ path_prefix: /api, methods: [GET] }}, service: b, chain: [own, off] }}
  - {{ name: canary, match: {{ path: /c, headers: {{ x-canary: '*' }} }}, service: b }}
services:
  - {{ name: b, chain: [first], upstreams: [{{ url: 'http://{}' }}] }}
plugins:
  - {{ name: own, file: own.wasm }}
  - {{ name: all, file: all.wasm }}
  - {{ name: off, file: off.wasm, enabled: false }}
  - {{ name: first, file: first.wasm, priority: -1 }}
",
        upstream.address
    ));
    (upstream, gateway)
}

async fn ask(gateway: &Gateway, path: &str) -> Answer {
    get(&format!("http://{}{path}", gateway.admin())).await
}

#[tokio::test]
async fn health_is_live_and_ready() {
    let (_upstream, gateway) = gateway().await;
    assert_eq!(ask(&gateway, "/health/live").await.json(), json!({ "status": "live" }));
    assert_eq!(ask(&gateway, "/health/ready").await.json(), json!({ "status": "ready" }));
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let (_upstream, gateway) = gateway().await;
    get(&gateway.url("/api")).await;
    get(&gateway.url("/nowhere")).await;
    let answer = ask(&gateway, "/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "refgateway_requests_total{route=\"api\",service=\"b\",status=\"2xx\"}",
        "refgateway_request_duration_seconds_bucket{route=\"api\",le=\"0.0005\"}",
        "refgateway_unrouted_requests_total{status=\"404\"}",
    ] {
        assert!(answer.text().contains(line), "{line} in {}", answer.text());
    }
}

#[tokio::test]
async fn routes_are_listed_with_their_chain_in_order() {
    let (upstream, gateway) = gateway().await;
    let list = ask(&gateway, "/api/routes").await.json();
    let expected = json!({
        "name": "api",
        "match": { "path_prefix": "/api", "methods": ["GET"] },
        "service": "b",
        "chain": ["first", "all", "own"],
    });
    assert_eq!(list["routes"][0], expected);
    let url = format!("http://{}", upstream.address);
    let server = json!({ "url": url, "weight": 1, "in_flight": 0, "healthy": true });
    assert_eq!(list["services"][0]["upstreams"][0], server);
}

#[tokio::test]
async fn explain_says_what_a_request_would_meet() {
    let (_upstream, gateway) = gateway().await;
    let explain = async |query: &str| ask(&gateway, &format!("/api/explain?{query}")).await.json();

    let found = explain("method=GET&host=a.example&path=%2Fapi%2Fx").await;
    assert_eq!((&found["matched"], &found["route"]["name"]), (&json!(true), &json!("api")));
    assert_eq!(found["chain"], json!(["first", "all", "own"]));

    let method = explain("method=PUT&path=/api").await;
    let expected = json!({ "matched": false, "status": 405, "reason": "host and path match, but only for GET" });
    assert_eq!(method, expected);

    let header = explain("path=/c").await;
    assert_eq!(header["reason"], "host and path match route `canary`, but not its headers");
    assert_eq!(explain("path=/c&header=x-canary:1").await["route"]["name"], "canary");
    assert_eq!(explain("path=/zzz").await["reason"], "no route matches host and path");
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let (_upstream, gateway) = gateway().await;
    for (path, status, error) in [
        ("/api/nothing", 404, "there is no /api/nothing"),
        ("/api/explain?path=x", 400, "`path` must start with `/`"),
        ("/api/explain?verb=GET", 400, "unknown parameter `verb`; known: method, host, path, header"),
        ("/api/explain?path=%zz", 400, "`path` is not percent-encoded UTF-8"),
        ("/api/explain?header=x", 400, "`header` is written name:value"),
    ] {
        let answer = ask(&gateway, path).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (status, json!({ "error": error })));
    }
    let answer = post(&format!("http://{}/api/routes", gateway.admin()), "").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn the_token_is_needed_when_there_is_one() {
    let gateway = Gateway::start("admin: { address: '127.0.0.1:0', token: 0123456789abcdef }");
    let ask = async |authorization: Option<&str>| {
        let mut request = Request::get(format!("http://{}/api/routes", gateway.admin()));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        send(&client(), request.body(body::empty()).unwrap()).await
    };
    assert_eq!(ask(Some("Bearer 0123456789abcdef")).await.status, 200);
    for wrong in [None, Some("Bearer 0123456789abcdeX"), Some("0123456789abcdef")] {
        let answer = ask(wrong).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, Some("Bearer")));
        assert_eq!(answer.json(), json!({ "error": "a valid token is needed: Authorization: Bearer …" }));
    }
}
