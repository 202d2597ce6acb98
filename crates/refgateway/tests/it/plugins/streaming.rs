use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use test_guests::{NATIVE_GATE, NATIVE_MISBEHAVE, NATIVE_NOTE_COMPLETION, NATIVE_OBSERVE};
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};

use crate::{support::*, upgrade::websocket_echo};

#[tokio::test]
async fn bodies_stream_through_a_chain_and_complete_comes_after_them() {
    let (sender, upstream) = fed_upstream().await;
    let gateway = Plugged::to(upstream.address)
        .through("look", NATIVE_OBSERVE, "")
        .through("note", NATIVE_NOTE_COMPLETION, "")
        .start();
    let completed = || gateway.handle.gateway().plugins[1].plugin.as_ref().unwrap().stats().executions;

    sender.send(Frame::data(Bytes::from("first"))).unwrap();
    let request = http::Request::get(gateway.url("/")).body(body::empty()).unwrap();
    let mut body = client().request(request).await.unwrap().into_body();
    // The upstream has not ended its response.
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    assert_eq!(completed(), 0);

    sender.send(Frame::data(Bytes::from("second"))).unwrap();
    drop(sender);
    assert_eq!(body.collect().await.unwrap().to_bytes(), "second");
    until(async || completed() == 1).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_exchange() {
    let (sender, upstream) = fed_upstream().await;
    let gateway = Plugged::to(upstream.address).through("note", NATIVE_NOTE_COMPLETION, "").start();
    sender.send(Frame::data(Bytes::from("first"))).unwrap();
    let request = http::Request::get(gateway.url("/")).body(body::empty()).unwrap();
    let client = client();
    let mut body = client.request(request).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop((body, client));
    let stats = || gateway.handle.gateway().plugins[0].plugin.as_ref().unwrap().stats();
    until(async || stats().executions == 1 && stats().active == 0).await;
    sender.closed().await;
}

#[tokio::test]
async fn request_bodies_stream_through_a_chain() {
    let upstream = Upstream::start(|mut request| async move {
        let first = request.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        Response::new(body::full(first))
    })
    .await;
    let gateway = Plugged::to(upstream.address).through("look", NATIVE_OBSERVE, "").start();
    let (sender, fed) = channel();
    sender.send(Frame::data(Bytes::from("first"))).unwrap();
    // The answer is here before the request has ended.
    let answer = send(&client(), http::Request::post(gateway.url("/")).body(fed).unwrap()).await;
    assert_eq!(answer.text(), "first");
    drop(sender);
}

#[tokio::test]
async fn a_websocket_passes_after_the_request_phase_or_is_refused_in_it() {
    let upstream = Upstream::start(websocket_echo).await;
    let gateway = Plugged::to(upstream.address)
        .through("gate", NATIVE_GATE, "config: { token: open }")
        .through("note", NATIVE_NOTE_COMPLETION, "")
        .start();
    let connect = async |token: &str| {
        let mut request = format!("ws://{}/chat", gateway.address()).into_client_request().unwrap();
        request.headers_mut().insert("x-token", token.parse().unwrap());
        tokio_tungstenite::connect_async(request).await
    };
    match connect("wrong").await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{other:?}"),
    }
    assert_eq!(upstream.requests(), 0);

    let (mut socket, response) = connect("open").await.unwrap();
    assert_eq!(response.status(), 101);
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn a_switch_that_a_plugin_refuses_on_the_response_does_not_happen() {
    let upstream = Upstream::start(|request| async {
        let mut response = websocket_echo(request).await;
        response.headers_mut().insert("x-do", HeaderValue::from_static("panic"));
        response
    })
    .await;
    let gateway = Plugged::to(upstream.address).through("bad", NATIVE_MISBEHAVE, "").start();
    match tokio_tungstenite::connect_async(format!("ws://{}/chat", gateway.address())).await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 500),
        other => panic!("{other:?}"),
    }
    // The connection to the upstream goes, too: nothing keeps the gateway from draining.
    gateway.handle.shutdown(Duration::from_secs(10)).await;
}
