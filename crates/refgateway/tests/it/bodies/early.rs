//! Answers that come before the request's body has.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use http::Response;
use http_body_util::StreamBody;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

const REFUSING: &str = "{ request: { mode: peek, bytes: 16, act: respond } }";

/// A body of 256 MiB that counts the bytes taken of it.
fn endless() -> (Arc<AtomicUsize>, Body) {
    const FRAME: usize = 64 << 10;
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let frames = (0..4096).map(move |_| {
        counter.fetch_add(FRAME, SeqCst);
        Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(&[b'x'; FRAME])))
    });
    (taken, body::boxed(StreamBody::new(futures_util::stream::iter(frames))))
}

#[tokio::test]
async fn a_refusal_by_the_first_bytes_does_not_read_the_rest() {
    let upstream = mirror().await;
    for wire in WIRES {
        let gateway = wire.gateway(&upstream, REFUSING, "");
        let (taken, endless) = endless();
        let client = wire.client();
        let answer = send(&client, post_to(&gateway, endless)).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (403, "refused by its body"), "{wire:?}");
        released(&gateway).await;
        drop(client);
        // What sockets and windows hold; the gateway took one piece.
        assert!(taken.load(SeqCst) < 32 << 20, "{wire:?}: {}", taken.load(SeqCst));
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let upstream = mirror().await;
    for wire in WIRES {
        let gateway = wire.gateway(&upstream, REFUSING, "");
        let (sender, fed) = channel();
        sender.send(data("0123456789abcdef and more")).unwrap();
        let answer = send(&wire.client(), post_to(&gateway, fed)).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (403, "refused by its body"), "{wire:?}");
        drop(sender);
    }
}

#[tokio::test]
async fn an_upstream_may_answer_before_the_request_has_ended() {
    let upstream = Upstream::start(|mut request: Request<Incoming>| async move {
        let first = request.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        Response::new(body::full(first))
    })
    .await;
    for wire in WIRES {
        let gateway = wire.gateway(&upstream, "{ request: { mode: lines, act: upper } }", "");
        let (sender, fed) = channel();
        sender.send(data("first\nsecond")).unwrap();
        let answer = send(&wire.client(), post_to(&gateway, fed)).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "FIRST\n"), "{wire:?}");
        drop(sender);
        released(&gateway).await;
    }
}

/// Sends this head and reads what comes, until so many bytes are there.
async fn expecting(gateway: &Gateway, more: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn the_body_is_asked_for_when_a_plugin_reads_it() {
    let upstream = mirror().await;
    let gateway = Plugged::to(upstream.address).reading(REFUSING, "").start();
    let (mut stream, interim) = expecting(&gateway, "").await;
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    // The plugin waits for the first bytes.
    assert_eq!(plugins(&gateway).await[0]["stats"]["failures"], serde_json::json!({}));
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
    assert_eq!(upstream.requests(), 0);
}

/// Over HTTP/2 nobody is told to go on, and nobody waits to be told.
#[tokio::test]
async fn an_http2_body_that_expects_to_be_asked_for_comes() {
    let upstream = mirror().await;
    let gateway = Plugged::to(upstream.address).reading("{ request: { mode: peek, bytes: 3 } }", "").start();
    let request = Request::post(gateway.url("/")).header("expect", "100-continue").body(body::full("hello")).unwrap();
    assert_eq!(send(&h2_client(), request).await.text(), "hello");
}

#[tokio::test]
async fn a_refusal_by_the_headers_asks_for_no_body() {
    let upstream = mirror().await;
    let gateway = Plugged::to(upstream.address)
        .through("gate", test_guests::NATIVE_GATE, "config: { token: open }")
        .reading(REFUSING, "")
        .start();
    let (_, refused) = expecting(&gateway, "x-token: wrong\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let (_, asked) = expecting(&gateway, "x-token: open\r\n").await;
    assert_eq!(asked, "HTTP/1.1 100 Continue\r\n\r\n");
}
