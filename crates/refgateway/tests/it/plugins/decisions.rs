use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use test_guests::{NATIVE_BRAND_ERRORS, NATIVE_CHOOSE, NATIVE_EDIT, NATIVE_GATE, NATIVE_SHARE};

use super::get_with;
use crate::support::*;

#[tokio::test]
async fn a_plugin_decides_over_http1_and_http2() {
    let upstream = Upstream::echo().await;
    let gateway = Plugged::to(upstream.address).through("gate", NATIVE_GATE, "config: { token: open }").start();
    for client in [client(), h2_client()] {
        let before = upstream.requests();
        let ask = |token| Request::get(gateway.url("/")).header("x-token", token).header("x-request-id", "id-7");
        let refused = send(&client, ask("wrong").body(body::empty()).unwrap()).await;
        assert_eq!((refused.status.as_u16(), refused.text()), (403, "closed"));
        assert_eq!(
            (refused.header("x-request-id"), refused.header("content-type")),
            (Some("id-7"), Some("text/plain"))
        );
        assert_eq!(upstream.requests(), before);

        let passed = send(&client, ask("open").body(body::full("some body")).unwrap()).await;
        assert_eq!((passed.status.as_u16(), passed.header("x-request-id")), (200, Some("id-7")));
        assert_eq!(passed.json()["body"], "some body");
        assert_eq!(upstream.requests(), before + 1);
    }
}

#[tokio::test]
async fn a_plugin_edits_request_and_response() {
    let upstream = Upstream::start(|request: Request<hyper::body::Incoming>| async move {
        let many: Vec<_> = request.headers().get_all("x-many").iter().collect();
        let bytes = request.headers()["x-bytes"].as_bytes();
        let removed = request.headers().contains_key("x-remove");
        let text = format!("{} {} {many:?} {bytes:?} {removed}", request.method(), request.uri());
        let mut response = Response::new(body::full(text));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response.headers_mut().insert("server", HeaderValue::from_static("secret/1.0"));
        response.headers_mut().insert("set-cookie", HeaderValue::from_static("a=1"));
        response
    })
    .await;
    let gateway = Plugged::to(upstream.address).through("edit", NATIVE_EDIT, "").start();
    let answer = get_with(&gateway.url("/a?b=c"), &[("x-many", "first"), ("x-remove", "1")]).await;
    assert_eq!(answer.text(), r#"PUT /edited?by=plugin ["first", "last"] [255, 97, 9, 128] false"#);
    assert_eq!((answer.status.as_u16(), answer.header("server")), (503, None));
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[tokio::test]
async fn chains_of_gateway_service_and_route_run_by_priority_and_each_plugin_once() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(&format!(
        "chain: [a]\n\
         routes: [{{ name: r, service: s, chain: [c, a, b, last] }}]\n\
         services: [{{ name: s, chain: [b, a], upstreams: [{{ url: 'http://{}' }}] }}]\n\
         plugins:\n\
         \x20 - {{ name: last, file: '{NATIVE_SHARE}', config: {{ name: z }}, priority: 7 }}\n\
         \x20 - {{ name: c, file: '{NATIVE_SHARE}', config: {{ name: c }} }}\n\
         \x20 - {{ name: b, file: '{NATIVE_SHARE}', config: {{ name: b }}, priority: -1 }}\n\
         \x20 - {{ name: a, file: '{NATIVE_SHARE}', config: {{ name: a }} }}\n",
        upstream.address
    ));
    let answer = get(&gateway.url("/")).await;
    assert_eq!(answer.json()["headers"]["x-trail"][0], "bacz");
    // The response goes back in reverse order.
    assert_eq!(answer.header("x-trail"), Some("baczzcab"));
}

#[tokio::test]
async fn a_plugin_behind_an_answer_is_not_asked() {
    let upstream = Upstream::echo().await;
    let chain = Plugged::to(upstream.address)
        .through("first", NATIVE_SHARE, "config: { name: f }")
        .through("gate", NATIVE_GATE, "config: { token: open }")
        .through("last", NATIVE_SHARE, "config: { name: l }");
    let answer = get(&chain.start().url("/")).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-trail")), (403, Some("ff")));
}

#[tokio::test]
async fn a_plugin_answers_for_an_upstream_that_refuses() {
    let chain = Plugged::to(closed_port().await);
    let branded = chain.clone().through("brand", NATIVE_BRAND_ERRORS, "").start();
    let answer = get(&branded.url("/")).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (502, "sorry: backend (connect, 502)"));
    assert!(answer.header("x-request-id").is_some());

    let plain = chain.through("share", NATIVE_SHARE, "config: { name: s }").start();
    let answer = get(&plain.url("/")).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (502, r#"{"error":"the upstream cannot be reached"}"#));
    // The gateway's own answer goes through the response phase as well.
    assert_eq!((answer.header("content-type"), answer.header("x-trail")), (Some("application/json"), Some("ss")));
}

#[tokio::test]
async fn a_plugin_chooses_among_the_services_it_is_granted() {
    let (main, canary) = (Upstream::saying("main").await, Upstream::saying("canary").await);
    let start = |grants: &str| {
        Gateway::start(&format!(
            "routes: [{{ name: all, service: main, chain: [choose] }}]\n\
             services:\n\
             \x20 - {{ name: main, upstreams: [{{ url: 'http://{}' }}] }}\n\
             \x20 - {{ name: canary, upstreams: [{{ url: 'http://{}' }}] }}\n\
             plugins: [{{ name: choose, file: '{NATIVE_CHOOSE}', grants: {grants} }}]",
            main.address, canary.address
        ))
    };
    for (grants, service, status, text) in [
        ("{ upstreams: [canary] }", "canary", 200, "canary"),
        ("{ upstreams: ['*'] }", "canary", 200, "canary"),
        ("{ upstreams: ['*'] }", "nowhere", 403, "unknown"),
        ("{ upstreams: [main] }", "canary", 403, "denied"),
        ("{}", "canary", 403, "denied"),
    ] {
        let gateway = start(grants);
        let answer = get_with(&gateway.url("/"), &[("x-service", service)]).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, text), "{grants} {service}");
        assert_eq!(get(&gateway.url("/")).await.text(), "main");
    }
}

#[tokio::test]
async fn a_client_cannot_take_a_header_of_a_plugin_away() {
    let upstream = Upstream::echo().await;
    let gateway = Plugged::to(upstream.address).through("share", NATIVE_SHARE, "config: { name: kept }").start();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Trail: forged\r\nConnection: close, X-Trail\r\n\r\n";
    let answer = raw(gateway.address(), request).await;
    assert!(answer.contains(r#""x-trail":["kept"]"#), "{answer}");
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let upstream = Upstream::echo().await;
    let gateway = Plugged::to(upstream.address).through("gate", NATIVE_GATE, "config: { token: open }").start();
    for client in [client(), h2_client()] {
        let (sender, fed) = channel();
        sender.send(Frame::data(Bytes::from(vec![b'x'; 100_000]))).unwrap();
        let request = Request::post(gateway.url("/")).body(fed).unwrap();
        let answer = send(&client, request).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (403, "closed"));
        drop(sender);
    }
    assert_eq!(upstream.requests(), 0);
}
