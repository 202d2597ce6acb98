//! Bodies that flow: each piece as soon as it is there, for as long as it takes.

use http::Response;

use super::*;

#[tokio::test]
async fn each_event_arrives_before_the_next_is_sent() {
    for wire in WIRES {
        let (sender, upstream) = fed_upstream().await;
        let gateway = wire.gateway(&upstream, "{ response: { mode: sse, act: upper-event } }", "");
        sender.send(data("data: one\n\n")).unwrap();
        let request = Request::get(gateway.url("/")).body(body::empty()).unwrap();
        let mut body = wire.client().request(request).await.unwrap().into_body();
        assert_eq!(next_text(&mut body).await, "data: ONE\n\n", "{wire:?}");
        for (text, expected) in
            [("data: two\n\n", "data: TWO\n\n"), ("id: 3\ndata: three\n\n", "id: 3\ndata: THREE\n\n")]
        {
            sender.send(data(text)).unwrap();
            assert_eq!(next_text(&mut body).await, expected, "{wire:?}");
        }
        drop(sender);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "");
        released(&gateway).await;
    }
}

#[tokio::test]
async fn each_line_of_a_request_arrives_before_the_next_is_sent() {
    let upstream = mirror().await;
    for wire in WIRES {
        let gateway = wire.gateway(&upstream, "{ request: { mode: lines, act: upper } }", "");
        let (sender, fed) = channel();
        sender.send(data("one\n")).unwrap();
        let mut body = wire.client().request(post_to(&gateway, fed)).await.unwrap().into_body();
        assert_eq!(next_text(&mut body).await, "ONE\n", "{wire:?}");
        sender.send(data("two\n")).unwrap();
        assert_eq!(next_text(&mut body).await, "TWO\n", "{wire:?}");
        drop(sender);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "");
    }
}

/// The timeouts are over several times before the last byte.
#[tokio::test]
async fn no_timeout_cuts_what_flows() {
    let upstream = Upstream::start(|request: Request<Incoming>| async {
        Response::new(body::full(request.into_body().collect().await.unwrap().to_bytes()))
    })
    .await;
    let tick = Duration::from_millis(50);
    for wire in WIRES {
        let config = "{ request: { mode: lines, act: upper } }";
        let text = wire.plugged(upstream.address).reading(config, "").text();
        let gateway = Gateway::start(&format!("{text}\ntimeouts: {{ request: 300ms, idle: 300ms, headers: 300ms }}"));
        let (sender, fed) = channel();
        let feeding = async move {
            for _ in 0..12 {
                sender.send(data("x\n")).unwrap();
                tokio::time::sleep(tick).await;
            }
        };
        let client = wire.client();
        let (answer, ()) = tokio::join!(send(&client, post_to(&gateway, fed)), feeding);
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 24), "{wire:?}");
    }
    for wire in WIRES {
        let (sender, upstream) = fed_upstream().await;
        let text = wire.plugged(upstream.address).reading("{ response: { mode: lines, act: upper } }", "").text();
        let gateway = Gateway::start(&format!("{text}\ntimeouts: {{ request: 300ms, idle: 300ms, headers: 300ms }}"));
        sender.send(data("x\n")).unwrap();
        let request = Request::get(gateway.url("/")).body(body::empty()).unwrap();
        let mut body = wire.client().request(request).await.unwrap().into_body();
        assert_eq!(next_text(&mut body).await, "X\n");
        tokio::time::sleep(tick * 10).await;
        sender.send(data("y\n")).unwrap();
        assert_eq!(next_text(&mut body).await, "Y\n", "{wire:?}");
    }
}

#[tokio::test]
async fn a_client_that_lets_a_plugin_wait_is_given_up() {
    let upstream = mirror().await;
    for wire in WIRES {
        for mode in ["peek", "buffer"] {
            let config = format!("{{ request: {{ mode: {mode}, bytes: 100 }} }}");
            let gateway = wire.gateway(&upstream, &config, "limits: { body_wait: 50ms }");
            let (sender, fed) = channel();
            sender.send(data("some")).unwrap();
            let answer = send(&wire.client(), post_to(&gateway, fed)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (408, r#"{"error":"the request body did not arrive in time"}"#),
                "{wire:?} {mode}"
            );
            drop(sender);
            released(&gateway).await;
        }
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_request_that_stops_flowing_is_given_up() {
    let upstream = Upstream::start(|request: Request<Incoming>| async {
        let _ = request.into_body().collect().await;
        std::future::pending().await
    })
    .await;
    for wire in WIRES {
        let text = wire.plugged(upstream.address).reading("{ request: { mode: lines, act: upper } }", "").text();
        let gateway = Gateway::start(&format!("{text}\ntimeouts: {{ request: 100ms }}"));
        let (sender, fed) = channel();
        sender.send(data("x\n")).unwrap();
        let answer = send(&wire.client(), post_to(&gateway, fed)).await;
        assert_eq!(answer.status, 504, "{wire:?}");
        drop(sender);
        released(&gateway).await;
    }
}
