use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message, tungstenite::protocol::Role};

use crate::support::*;

/// Accepts any WebSocket and echoes its messages.
pub(crate) async fn websocket_echo(mut request: Request<hyper::body::Incoming>) -> Response<Body> {
    let key = request.headers()["sec-websocket-key"].as_bytes();
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key);
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &accept)] {
        response.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgraded.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    response
}

#[tokio::test]
async fn websockets_pass_through() {
    let upstream = Upstream::start(websocket_echo).await;
    let gateway = Gateway::to(upstream.address);
    let (mut socket, response) =
        tokio_tungstenite::connect_async(format!("ws://{}/chat", gateway.address())).await.unwrap();
    assert_eq!(response.status(), 101);
    for n in 0..3 {
        let text = Message::text(format!("message {n}"));
        socket.send(text.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), text);
    }
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn an_upgrade_the_upstream_declines_is_an_ordinary_response() {
    let upstream = Upstream::echo().await;
    let gateway = Gateway::to(upstream.address);
    let request = Request::get(gateway.url("/")).header("connection", "Upgrade").header("upgrade", "websocket");
    let answer = send(&client(), request.body(body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["headers"]["upgrade"][0], "websocket");
    assert_eq!(answer.json()["headers"]["connection"][0], "upgrade");
}

#[tokio::test]
async fn a_switch_nobody_asked_for_is_502() {
    let upstream = Upstream::start(|_| async {
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("upgrade", HeaderValue::from_static("surprise"));
        response
    })
    .await;
    let gateway = Gateway::to(upstream.address);
    assert_eq!(get(&gateway.url("/")).await.status, 502);
}
