use std::{convert::Infallible, io};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use wasm_host::{Body, ExchangeFacts, Plugin};
use wasm_host_hyper::{PluginBody, PluginLayer};

use crate::common::{chain, engine};

/// The response to a request whose body comes in these pieces.
async fn respond(name: &str, pieces: Vec<Result<&'static str, io::Error>>) -> Response<PluginBody> {
    let plugin = Plugin::builder(name).file(test_guests::NATIVE_NOTE_COMPLETION);
    let pieces = std::sync::Arc::new(parking_lot::Mutex::new(Some(pieces)));
    let inner = service_fn(move |_: Request<Body>| {
        let pieces = pieces.lock().take().unwrap();
        async move {
            let frames = pieces.into_iter().map(|piece| piece.map(|piece| Frame::data(Bytes::from(piece))));
            Ok::<_, Infallible>(Response::new(StreamBody::new(tokio_stream::iter(frames))))
        }
    });
    let service = ServiceBuilder::new().layer(PluginLayer::new(chain(plugin).await)).service(inner);
    service.oneshot(Request::new(Empty::<Bytes>::new())).await.unwrap()
}

async fn noted(name: &str) -> String {
    loop {
        if let Some(line) = engine().1.of(name).first() {
            return line.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn tells_what_was_sent_after_the_last_byte() {
    let response = respond("read", vec![Ok("abc"), Ok("de")]).await;
    assert_eq!(engine().1.of("read"), [""; 0], "not before the body is read");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "abcde");
    assert_eq!(noted("read").await, " ended: Some(200), 5 bytes, finished true");
}

#[tokio::test]
async fn tells_that_the_client_left() {
    let mut response = respond("left", vec![Ok("abc"), Ok("de")]).await;
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    assert_eq!(noted("left").await, " ended: Some(200), 3 bytes, finished false");
}

#[tokio::test]
async fn tells_that_the_upstream_broke_off() {
    let response = respond("broke", vec![Ok("abc"), Err(io::Error::other("gone"))]).await;
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(noted("broke").await, " ended: Some(200), 3 bytes, finished false");
}

#[tokio::test]
async fn tells_that_the_client_left_before_a_response() {
    let plugin = Plugin::builder("early").file(test_guests::NATIVE_NOTE_COMPLETION);
    let inner = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let service = ServiceBuilder::new().layer(PluginLayer::new(chain(plugin).await)).service(inner);
    let facts = ExchangeFacts { id: "e-1".into(), ..ExchangeFacts::default() };
    let mut response =
        Box::pin(service.oneshot(Request::builder().extension(facts).body(Empty::<Bytes>::new()).unwrap()));
    assert!(poll_once(&mut response).await.is_none());
    drop(response);
    assert_eq!(noted("early").await, "e-1 ended: None, 0 bytes, finished false");
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}
