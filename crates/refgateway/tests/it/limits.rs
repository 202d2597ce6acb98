use std::time::{Duration, Instant};

use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::*;

#[tokio::test]
async fn too_many_headers_are_431() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::with(upstream.address, "limits: { headers: 20 }");
    let headers: String = (0..21).map(|n| format!("X-{n}: 1\r\n")).collect();
    let answer = raw(gateway.address(), format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn too_large_headers_are_431() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::with(upstream.address, "limits: { header_bytes: 8KiB }");
    let long = "a".repeat(9000);
    let answer = raw(gateway.address(), format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_declared_body_over_the_limit_is_413_at_once() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::with(upstream.address, "limits: { request_body: 4B }");
    let answer = post(&gateway.url("/"), "12345").await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.text(), r#"{"error":"the request body is too large"}"#);
    assert_eq!(upstream.requests(), 0);
    assert_eq!(post(&gateway.url("/"), "1234").await.status, 200);
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_413_when_it_gets_there() {
    let upstream = Upstream::start(|request| async {
        use http_body_util::BodyExt;
        let _ = request.into_body().collect().await;
        http::Response::new(body::empty())
    })
    .await;
    let gateway = Gateway::with(upstream.address, "limits: { request_body: 4B }");
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n";
    let answer = raw(gateway.address(), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn headers_that_trickle_are_cut_off() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::with(upstream.address, "timeouts: { headers: 200ms, idle: 60s }");
    for start in ["", "GET", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let started = Instant::now();
        assert_eq!(raw(gateway.address(), start.as_bytes()).await, "", "{start:?}");
        assert!(started.elapsed() >= Duration::from_millis(150));
    }
}

#[tokio::test]
async fn idle_connections_are_closed_but_not_busy_ones() {
    let upstream = Upstream::start(|_| async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        http::Response::new(body::full("late"))
    })
    .await;
    let gateway = Gateway::with(upstream.address, "timeouts: { idle: 200ms }");
    let answer = raw(gateway.address(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.ends_with("late"), "{answer}");
}

#[tokio::test]
async fn expect_continue_is_answered() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ok").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(r#""body":"ok""#), "{answer}");
}

#[tokio::test]
async fn connect_is_refused() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let answer = raw(gateway.address(), b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn an_unknown_path_is_404_in_json() {
    let gateway = Gateway::start("routes: []");
    let request = Request::get(gateway.url("/")).body(body::empty()).unwrap();
    let answer = send(&client(), request).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text(), r#"{"error":"no route matches this request"}"#);
}
