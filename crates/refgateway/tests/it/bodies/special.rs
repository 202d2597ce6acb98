//! Messages whose bodies are not as others.

use futures_util::{SinkExt, StreamExt};
use http::{Method, Response, StatusCode, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::upgrade::websocket_echo;

/// A plugin that would append to every body it sees.
const APPEND: [&str; 2] =
    ["{ response: { mode: buffer, bytes: 100, act: append } }", "{ response: { mode: chunks, end: append } }"];

#[tokio::test]
async fn a_response_without_content_stays_without() {
    let upstream = Upstream::start(|request: Request<Incoming>| async move {
        let status: u16 = request.uri().path().trim_start_matches('/').parse().unwrap();
        let response = Response::builder().status(status);
        let response = if status == 204 { response } else { response.header("content-length", 8) };
        // Over HTTP/2 its end comes behind the headers.
        response.body(channel().1).unwrap()
    })
    .await;
    for wire in WIRES {
        for config in APPEND {
            let gateway = wire.gateway(&upstream, config, "");
            for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
                let request = Request::builder().method(&method).uri(gateway.url(&format!("/{status}")));
                let answer = send(&wire.client(), request.body(body::empty()).unwrap()).await;
                assert_eq!((answer.status.as_u16(), answer.text()), (status, ""), "{wire:?} {method} {config}");
                // The length of what a GET would get is not known without asking the plugin.
                assert_eq!(answer.header("content-length"), None, "{wire:?} {method} {config}");
            }
            released(&gateway).await;
        }
    }
}

#[tokio::test]
async fn a_head_keeps_its_length_where_the_plugin_cannot_change_it() {
    let upstream =
        Upstream::start(|_| async { Response::builder().header("content-length", 8).body(body::empty()).unwrap() })
            .await;
    for wire in WIRES {
        let gateway = wire.gateway(&upstream, "{ response: { mode: peek, bytes: 4 } }", "");
        let request = Request::head(gateway.url("/")).body(body::empty()).unwrap();
        let answer = send(&wire.client(), request).await;
        assert_eq!(answer.header("content-length"), Some("8"), "{wire:?}");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_content_whoever_makes_it() {
    let upstream = Upstream::saying("upstream").await;
    let gateway = Plugged::to(upstream.address)
        .through("gate", test_guests::NATIVE_GATE, "config: { token: open }")
        .reading(APPEND[0], "")
        .start();
    let nothing = Gateway::start("routes: []");
    for client in [client(), h2_client()] {
        for (url, status, length) in [(gateway.url("/"), 403, "6"), (nothing.url("/"), 404, "41")] {
            let answer = send(&client, Request::head(url).body(body::empty()).unwrap()).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (status, ""));
            assert_eq!(answer.header("content-length"), Some(length));
        }
    }
}

#[tokio::test]
async fn an_empty_body_can_get_content() {
    let upstream = Upstream::echo().await;
    for wire in WIRES {
        for (mode, act, end) in [("buffer", "append", ""), ("chunks", "", "append")] {
            let config = format!("{{ request: {{ mode: {mode}, bytes: 100, act: '{act}', end: '{end}' }} }}");
            let gateway = wire.gateway(&upstream, &config, "");
            let echo = send(&wire.client(), post_to(&gateway, body::empty())).await.json();
            assert_eq!((&echo["body"], &echo["headers"]["content-length"][0]), (&"appended".into(), &"8".into()));
        }
    }
    let empty = Upstream::saying("").await;
    for wire in WIRES {
        for config in APPEND {
            let answer = send(&wire.client(), post_to(&wire.gateway(&empty, config, ""), body::empty())).await;
            assert_eq!((answer.text(), answer.header("content-length")), ("appended", Some("8")), "{wire:?} {config}");
        }
    }
}

#[tokio::test]
async fn an_interim_response_is_not_the_response() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody";
            stream.write_all(format!("{interim}{interim}{answer}").as_bytes()).await.unwrap();
            // Closing with unread bytes would reset the connection.
            let mut rest = Vec::new();
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut rest).await;
        }
    });
    for client in [client(), h2_client()] {
        for config in
            ["{ response: { mode: lines, act: upper } }", "{ response: { mode: buffer, bytes: 9, act: upper } }"]
        {
            let gateway = Plugged::to(address).reading(config, "").start();
            let answer = send(&client, Request::get(gateway.url("/")).body(body::empty()).unwrap()).await;
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, "BODY"));
            assert_eq!(answer.header("link"), None);
        }
    }
}

#[tokio::test]
async fn a_websocket_is_no_body() {
    let upstream = Upstream::start(websocket_echo).await;
    for mode in ["chunks", "buffer", "peek", "trailers"] {
        let config = format!(
            "{{ request: {{ mode: {mode}, bytes: 9, act: drop }}, response: {{ mode: {mode}, bytes: 9, act: drop }} }}"
        );
        let act_of_peek = config.replace("drop", if mode == "peek" { "pass" } else { "drop" });
        let gateway = Plugged::to(upstream.address).reading(&act_of_peek, "").start();
        let url = format!("ws://{}/chat", gateway.address());
        let (mut socket, response) = tokio_tungstenite::connect_async(url).await.unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers().get(header::CONTENT_LENGTH), None);
        for text in ["hello", "again"] {
            socket.send(Message::text(text)).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text), "{mode}");
        }
        // The connection needs no plugin any more.
        released(&gateway).await;
        socket.close(None).await.unwrap();
    }
}

#[tokio::test]
async fn an_http10_client_gets_bytes_without_chunks() {
    let upstream = Upstream::saying("one\ntwo\n").await;
    let config = "{ response: { mode: lines, act: upper, end: trailer } }";
    let gateway = Plugged::to(upstream.address).reading(config, "").start();
    let answer = raw(gateway.address(), b"GET / HTTP/1.0\r\nHost: a\r\nTE: trailers\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nONE\nTWO\n"), "{answer}");
    assert!(!answer.contains("transfer-encoding"), "{answer}");
}
