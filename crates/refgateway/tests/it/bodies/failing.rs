//! Plugins that fail, or break a body off, in the middle of it.

use http::Response;

use super::*;

/// How a body ends for the client.
async fn ends(wire: Wire, gateway: &Gateway) -> Result<Bytes, String> {
    let request = Request::get(gateway.url("/")).body(body::empty()).unwrap();
    let response = wire.client().request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.map(|body| body.to_bytes()).map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn a_response_that_a_plugin_fails_on_never_looks_complete() {
    for wire in WIRES {
        for act in ["trap", "fail", "reset", "respond"] {
            let (sender, upstream) = fed_upstream().await;
            let gateway = wire.gateway(&upstream, &format!("{{ response: {{ mode: lines, act: {act} }} }}"), "");
            sender.send(data("one\n")).unwrap();
            drop(sender);
            let error = ends(wire, &gateway).await.expect_err("a clean end");
            if wire.is_h2_client {
                assert!(error.contains("Reset(StreamId"), "{error}");
            }
            released(&gateway).await;
        }
    }
}

#[tokio::test]
async fn a_broken_chunked_response_has_no_last_chunk() {
    let upstream = Upstream::saying("good\nbad\nrest\n").await;
    let gateway = Plugged::to(upstream.address).reading("{ response: { mode: lines, act: trap-on-bad } }", "").start();
    let answer = raw(gateway.address(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n5\r\ngood\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_broken_response_is_logged_as_incomplete() {
    let upstream = Upstream::saying("good\nbad\nrest\n").await;
    for (mode, complete) in [("lines", false), ("none", true)] {
        let text = Plugged::to(upstream.address)
            .reading(&format!("{{ response: {{ mode: {mode}, act: trap-on-bad }} }}"), "")
            .text();
        let listener = "listeners: [{ address: '127.0.0.1:0' }]\nadmin: { enabled: false }\nworkers: 1";
        let (_directory, config) = file("gateway.yaml", &format!("{listener}\n{text}"));
        let mut gateway = Running::start(&["run", "--config", &config]);
        let address = gateway.address().parse().unwrap();
        raw(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let line = gateway.line("\"access\"");
        assert_eq!((&line["status"], &line["complete"]), (&200.into(), &complete.into()), "{line}");
        let decided = line["plugins"].as_str().unwrap_or_default();
        assert_eq!(decided.contains("response-body=trap"), !complete, "{line}");
    }
}

#[tokio::test]
async fn with_open_the_rest_passes() {
    let upstream = Upstream::saying("good\nbad\nrest\n").await;
    for wire in WIRES {
        for policy in ["open", "open+tag"] {
            let more = format!("on_failure: {{ response-body: {{ default: {policy} }} }}");
            let gateway = wire.gateway(&upstream, "{ response: { mode: lines, act: trap-on-bad } }", &more);
            assert_eq!(ends(wire, &gateway).await.unwrap(), "good\nbad\nrest\n", "{wire:?} {policy}");
            assert_eq!(plugins(&gateway).await[0]["stats"]["failures"]["trap"], 1);
        }
    }
}

/// The upstream has no part in it: the client gets what the plugin's policy says, and nothing is counted against a server.
#[tokio::test]
async fn a_request_that_a_plugin_cuts_is_not_the_upstream_s_failure() {
    let upstream = Upstream::start(|request: Request<Incoming>| async {
        match request.into_body().collect().await {
            Ok(_) => Response::new(body::full("complete")),
            Err(_) => std::future::pending().await,
        }
    })
    .await;
    for wire in WIRES {
        for (act, policy, status, text) in [
            ("trap", "closed(503)", 503, ""),
            ("trap", "{ closed: { status: 422, body: no } }", 422, "no"),
            ("reset", "closed", 403, r#"{"error":"a plugin refused the request body"}"#),
            ("trap", "open", 200, "complete"),
        ] {
            let config = format!("{{ request: {{ mode: lines, act: {act} }} }}");
            let gateway = wire
                .plugged(upstream.address)
                .service("health: { max_failures: 1, cooldown: 1h }, protocol: PROTOCOL")
                .reading(&config, &format!("on_failure: {{ default: {policy} }}"))
                .text()
                .replace("name: all", "name: cutting")
                .replace("PROTOCOL", if wire.is_h2_upstream { "h2c" } else { "http1" });
            let gateway = Gateway::start(&gateway);
            let (sender, fed) = channel();
            sender.send(data("one\n")).unwrap();
            sender.send(data("two\n")).unwrap();
            drop(sender);
            let answer = send(&wire.client(), post_to(&gateway, fed)).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (status, text), "{wire:?} {act} {policy}");
            for service in &gateway.handle.gateway().services {
                assert!(service.upstreams[0].health.is_in(), "{wire:?} {act} {policy}");
            }
            let errors = metric(&gateway, "refgateway_upstream_errors_total{route=\"cutting\"").await;
            assert_eq!(errors, None, "{wire:?} {act} {policy}");
            released(&gateway).await;
        }
    }
}

/// A plugin in front cuts the body that one behind it waits for.
#[tokio::test]
async fn a_cut_is_the_answer_also_where_another_plugin_waits() {
    let upstream = mirror().await;
    for (act, status) in [("trap", 503), ("reset", 403)] {
        let gateway = Plugged::to(upstream.address)
            .reading(&format!("{{ request: {{ mode: lines, act: {act} }} }}"), "on_failure: { default: closed(503) }")
            .through("waits", NATIVE_BODIES, "config: { request: { mode: buffer, bytes: 100 } }")
            .start();
        assert_eq!(post(&gateway.url("/"), "one\n").await.status.as_u16(), status, "{act}");
    }
    assert_eq!(upstream.requests(), 0);
}
