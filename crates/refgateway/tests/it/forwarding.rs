use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::mpsc;

use crate::support::*;

#[tokio::test]
async fn carries_method_path_query_and_body() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let answer = post(&gateway.url("/a/b?x=1&y=%20"), "hello").await;
    let echo = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(echo["method"], "POST");
    assert_eq!(echo["uri"], "/a/b?x=1&y=%20");
    assert_eq!(echo["body"], "hello");
    assert_eq!(echo["headers"]["content-length"][0], "5");
}

#[tokio::test]
async fn keeps_connections_to_the_upstream() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    for _ in 0..20 {
        assert_eq!(post(&gateway.url("/"), "x").await.status, 200);
    }
    assert_eq!((upstream.requests(), upstream.connections()), (20, 1));
}

#[tokio::test]
async fn keeps_connections_after_chunked_responses() {
    let upstream = Upstream::start(|_| async {
        let (sender, body) = channel();
        sender.send(Frame::data(Bytes::from("chunk"))).unwrap();
        Response::new(body)
    })
    .await;
    let gateway = Gateway::to(upstream.address);
    for _ in 0..5 {
        assert_eq!(get(&gateway.url("/")).await.text(), "chunk");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn replaces_a_kept_connection_the_upstream_has_closed() {
    let upstream = Upstream::start(|_| async {
        let mut response = Response::new(body::full("bye"));
        response.headers_mut().insert("connection", HeaderValue::from_static("close"));
        response
    })
    .await;
    let gateway = Gateway::to(upstream.address);
    for _ in 0..5 {
        assert_eq!(post(&gateway.url("/"), "x").await.text(), "bye");
    }
}

#[tokio::test]
async fn streams_the_response_before_it_ends() {
    let (sender, body) = channel();
    let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
    let upstream = Upstream::start(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async { Response::new(body) }
    })
    .await;
    let gateway = Gateway::to(upstream.address);
    let request = Request::get(gateway.url("/")).body(body::empty()).unwrap();
    let mut response = client().request(request).await.unwrap().into_body();
    for text in ["one", "two"] {
        sender.send(Frame::data(Bytes::from(text))).unwrap();
        let frame = response.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
    }
    drop(sender);
    assert!(response.frame().await.is_none());
}

#[tokio::test]
async fn streams_the_request_before_it_ends() {
    let upstream = Upstream::start(|request| async {
        let mut incoming = request.into_body();
        let first = incoming.frame().await.unwrap().unwrap().into_data().unwrap();
        Response::new(body::full(first))
    })
    .await;
    let gateway = Gateway::to(upstream.address);
    let (sender, body) = channel();
    sender.send(Frame::data(Bytes::from("first"))).unwrap();
    let request = Request::post(gateway.url("/")).body(body).unwrap();
    let response = client().request(request).await.unwrap();
    assert_eq!(response.into_body().frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    drop(sender);
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let upstream = Upstream::start(|request| async {
        let trailers = request.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
        let (sender, body) = channel();
        sender.send(Frame::data(Bytes::from("x"))).unwrap();
        sender.send(Frame::trailers(trailers)).unwrap();
        let mut response = Response::new(body);
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        response
    })
    .await;
    let gateway = Gateway::to(upstream.address);
    let (sender, body) = channel();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("42"));
    sender.send(Frame::data(Bytes::from("data"))).unwrap();
    sender.send(Frame::trailers(trailers.clone())).unwrap();
    drop(sender);
    let request = Request::post(gateway.url("/")).header("te", "trailers").header("trailer", "x-sum");
    let answer = send(&client(), request.body(body).unwrap()).await;
    assert_eq!(answer.trailers, trailers);
}

#[tokio::test]
async fn a_response_that_breaks_off_breaks_off_for_the_client() {
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let released = std::sync::Arc::new(std::sync::Mutex::new(Some(released)));
    let upstream = Upstream::start(move |_| {
        let released = released.lock().unwrap().take().unwrap();
        async move {
            let half = futures_util::stream::iter([Ok(Frame::data(Bytes::from("half")))]);
            let broken = futures_util::stream::once(async move {
                let _ = released.await;
                Err(std::io::Error::other("broken"))
            });
            Response::new(body::boxed(StreamBody::new(futures_util::StreamExt::chain(half, broken))))
        }
    })
    .await;
    let gateway = Gateway::to(upstream.address);
    let request = Request::get(gateway.url("/")).body(body::empty()).unwrap();
    let mut response = client().request(request).await.unwrap().into_body();
    assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    release.send(()).unwrap();
    assert!(response.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn an_unreachable_upstream_is_502() {
    let gateway = Gateway::to(closed_port().await);
    let answer = get(&gateway.url("/")).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.text(), r#"{"error":"the upstream cannot be reached"}"#);
}

#[tokio::test]
async fn a_slow_upstream_is_504() {
    let upstream = Upstream::start(|_| std::future::pending()).await;
    let gateway = Gateway::with(upstream.address, "timeouts: { request: 50ms }");
    let answer = get(&gateway.url("/")).await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.text(), r#"{"error":"the upstream did not answer in time"}"#);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_upstream_request() {
    struct OnDrop(mpsc::UnboundedSender<()>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (dropped, mut was_dropped) = mpsc::unbounded_channel();
    let (arrived, mut has_arrived) = mpsc::unbounded_channel();
    let upstream = Upstream::start(move |_| {
        let guard = OnDrop(dropped.clone());
        arrived.send(()).unwrap();
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    })
    .await;
    let gateway = Gateway::to(upstream.address);
    let url = gateway.url("/");
    let request = tokio::spawn(async move { get(&url).await });
    has_arrived.recv().await.unwrap();
    request.abort();
    tokio::time::timeout(Duration::from_secs(5), was_dropped.recv()).await.unwrap().unwrap();
}
