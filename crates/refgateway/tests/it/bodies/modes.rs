//! What a plugin does to bodies arrives.

use http::{HeaderMap, HeaderValue, Response, header};

use super::*;

#[tokio::test]
async fn both_bodies_change_on_every_wire() {
    let upstream = mirror().await;
    for wire in WIRES {
        for (mode, expected) in
            [("chunks", "ONE\nTWO\nONE\nTWO\n"), ("lines", "ONE\nONE\nTWO\nTWO\n"), ("buffer", "ONE\nTWO\nONE\nTWO\n")]
        {
            let config = format!(
                "{{ request: {{ mode: {mode}, bytes: 100, act: upper }}, \
                   response: {{ mode: {mode}, bytes: 100, act: twice }} }}"
            );
            let gateway = wire.gateway(&upstream, &config, "");
            let answer = send(&wire.client(), post_to(&gateway, body::full("one\ntwo\n"))).await;
            assert_eq!(answer.text(), expected, "{wire:?} {mode}");
            released(&gateway).await;
        }
    }
}

#[tokio::test]
async fn the_length_follows_a_replaced_body() {
    let upstream = Upstream::echo().await;
    for wire in WIRES {
        let twice = "{ request: { mode: buffer, bytes: 100, act: twice } }";
        let gateway = wire.gateway(&upstream, twice, "");
        let echo = send(&wire.client(), post_to(&gateway, body::full("12345"))).await.json();
        assert_eq!((&echo["body"], &echo["headers"]["content-length"][0]), (&"1234512345".into(), &"10".into()));

        let append = "{ response: { mode: buffer, bytes: 10000, act: append } }";
        let gateway = wire.gateway(&upstream, append, "");
        let answer = send(&wire.client(), post_to(&gateway, body::full("x"))).await;
        assert_eq!((answer.text(), answer.header("content-length")), ("appended", Some("8")), "{wire:?}");
    }
}

#[tokio::test]
async fn an_encoded_body_is_read_and_sent_plain() {
    /// `line one` and `line two`, by gzip.
    const PACKED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\xc9\xcc\x4b\x55\xc8\xcf\x4b\
        \xe5\xca\x01\x31\x4a\xca\xf3\xb9\x00\x8b\xd7\xf4\x75\x12\x00\x00\x00";
    let upstream = Upstream::start(|_| async {
        let mut response = Response::new(body::full(PACKED));
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    })
    .await;
    for wire in WIRES {
        for (mode, act, coding, expected) in [
            ("stream(lines)", "upper", None, &b"LINE ONE\nLINE TWO\n"[..]),
            ("buffer(1KiB)", "upper", None, b"LINE ONE\nLINE TWO\n"),
            ("buffer(1KiB)", "pass", Some("gzip"), PACKED),
        ] {
            let config = format!("{{ response: {{ act: {act} }} }}");
            let gateway = wire.gateway(&upstream, &config, &format!("bodies: {{ response: {mode}, decode: true }}"));
            let answer = send(&wire.client(), Request::get(gateway.url("/")).body(body::empty()).unwrap()).await;
            assert_eq!(answer.body, expected, "{wire:?} {mode} {act}");
            assert_eq!(answer.header("content-encoding"), coding);
        }
    }
}

#[tokio::test]
async fn the_operator_says_how_bodies_are_read() {
    let upstream = mirror().await;
    for (bodies, expected) in [
        ("{}", "a\na\nb\nb\n"),
        ("{ response: stream(chunks) }", "a\nb\na\nb\n"),
        ("{ response: none }", "a\nb\n"),
        ("{ response: none, request: stream(chunks) }", "A\nB\n"),
    ] {
        let config = "{ request: { act: upper }, response: { mode: lines, act: twice } }";
        let gateway = WIRES[0].gateway(&upstream, config, &format!("bodies: {bodies}"));
        assert_eq!(post(&gateway.url("/"), "a\nb\n").await.text(), expected, "{bodies}");
    }
    let gateway = WIRES[0].gateway(&upstream, "{}", "bodies: { request: peek(4KiB) }");
    assert_eq!(
        plugins(&gateway).await[0]["bodies"],
        serde_json::json!({ "request": "peek(4096)", "response": "none" })
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_told_in_words() {
    let upstream = mirror().await;
    let reason = async |gateway: Gateway| plugins(&gateway).await[0]["reason"].as_str().unwrap().to_owned();
    let gateway = WIRES[0].gateway(&upstream, "{}", "bodies: { request: buffer(2MiB) }");
    assert_eq!(
        reason(gateway).await,
        "plugin `bodies` reads request bodies by `buffer(2097152)`, and `limits.body_bytes` is 1048576 bytes"
    );
    let gateway = WIRES[0].gateway(&upstream, "{}", "bodies: { request: buffer(2MiB) }, limits: { body_bytes: 2MiB }");
    assert_eq!(plugins(&gateway).await[0]["state"], "active");
    let headers_only =
        Plugged::to(upstream.address).through("edit", test_guests::NATIVE_EDIT, "bodies: { response: trailers }");
    assert_eq!(
        reason(headers_only.start()).await,
        "plugin `edit` is configured to read response bodies and has no response-body phase"
    );
}

#[tokio::test]
async fn a_body_over_the_bound_meets_the_policy() {
    let upstream = mirror().await;
    for wire in WIRES {
        for (policy, status, text) in [("closed", 413, ""), ("open", 200, "four of them")] {
            let more = format!("on_failure: {{ body-too-large: {policy} }}");
            let gateway = wire.gateway(&upstream, "{ request: { mode: buffer, bytes: 4, act: upper } }", &more);
            let (sender, fed) = channel();
            sender.send(data("four ")).unwrap();
            sender.send(data("of them")).unwrap();
            drop(sender);
            let answer = send(&wire.client(), post_to(&gateway, fed)).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (status, text), "{wire:?} {policy}");
            assert_eq!(plugins(&gateway).await[0]["stats"]["failures"]["body-too-large"], 1);
        }
    }
}

#[tokio::test]
async fn a_client_s_body_over_the_gateway_s_own_bound_is_413_while_a_plugin_waits() {
    let upstream = mirror().await;
    for wire in WIRES {
        let text = wire.plugged(upstream.address).reading("{ request: { mode: buffer, bytes: 100 } }", "").text();
        let gateway = Gateway::start(&format!("{text}\nlimits: {{ request_body: 8 }}"));
        let (sender, fed) = channel();
        sender.send(data("more than eight")).unwrap();
        let answer = send(&wire.client(), post_to(&gateway, fed)).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (413, r#"{"error":"the request body is too large"}"#));
        drop(sender);
        released(&gateway).await;
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn plugins_of_different_modes_share_a_body() {
    let upstream = mirror().await;
    for wire in WIRES {
        let chain = wire
            .plugged(upstream.address)
            .through("tail", NATIVE_BODIES, "config: { response: { mode: chunks, end: append } }")
            .through("upper", NATIVE_BODIES, "config: { response: { mode: buffer, bytes: 100, act: upper } }")
            .through("twice", NATIVE_BODIES, "config: { response: { mode: lines, act: twice } }");
        // The last of the chain is the first to see a response.
        let answer = send(&wire.client(), post_to(&chain.start(), body::full("a\nb\n"))).await;
        assert_eq!(answer.text(), "A\nA\nB\nB\nappended", "{wire:?}");
    }
}

/// With the trailers that a plugin sets, in both directions.
#[tokio::test]
async fn trailers_go_both_ways_and_are_edited() {
    let upstream = Upstream::start(|request: Request<Incoming>| async {
        let trailers = request.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
        let (sender, fed) = channel();
        sender.send(data("body")).unwrap();
        sender.send(Frame::trailers(trailers)).unwrap();
        let mut response = Response::new(fed);
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum, x-end"));
        response
    })
    .await;
    for wire in WIRES {
        for mode in ["trailers", "chunks", "buffer"] {
            for (side, end) in [("request", "request"), ("response", "response")] {
                let config = format!("{{ {side}: {{ mode: {mode}, bytes: 100, end: trailer }} }}");
                let gateway = wire.gateway(&upstream, &config, "");
                let (sender, fed) = channel();
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", HeaderValue::from_static("42"));
                sender.send(data("some")).unwrap();
                sender.send(Frame::trailers(trailers)).unwrap();
                drop(sender);
                let request =
                    Request::post(gateway.url("/")).header("te", "trailers").header("trailer", "x-sum, x-end");
                let answer = send(&wire.client(), request.body(fed).unwrap()).await;
                assert_eq!(answer.text(), "body");
                let trailer = |name: &str| answer.trailers.get(name).map(|value| value.to_str().unwrap());
                assert_eq!((trailer("x-sum"), trailer("x-end")), (Some("42"), Some(end)), "{wire:?} {config}");
            }
        }
    }
}

/// Where nothing announces a trailer but the plugin.
#[tokio::test]
async fn an_announced_trailer_reaches_a_client_that_takes_trailers() {
    let upstream = Upstream::saying("body").await;
    for wire in WIRES {
        for mode in ["trailers", "chunks", "buffer"] {
            let config = format!("{{ response: {{ mode: {mode}, bytes: 100, end: trailer }} }}");
            let gateway = wire.gateway(&upstream, &config, "");
            let request = Request::get(gateway.url("/")).header("te", "trailers").body(body::empty()).unwrap();
            let answer = send(&wire.client(), request).await;
            assert_eq!((answer.text(), answer.header("trailer")), ("body", Some("x-end")));
            assert_eq!(answer.trailers.get("x-end").unwrap(), "response", "{wire:?} {mode}");
        }
    }
    // HTTP/1.1 without `te: trailers`: the body is whole, and the trailer is not sent.
    let gateway = WIRES[0].gateway(&upstream, "{ response: { mode: chunks, end: trailer } }", "");
    let answer = get(&gateway.url("/")).await;
    assert_eq!((answer.text(), answer.trailers.len()), ("body", 0));
}
