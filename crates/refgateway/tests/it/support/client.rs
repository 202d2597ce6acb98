use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use refgateway::body::{self, Body};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn client() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Speaks HTTP/2 with prior knowledge.
pub(crate) fn h2_client() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

pub(crate) async fn send(client: &Client<HttpConnector, Body>, request: Request<Body>) -> Answer {
    let response = client.request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    Answer {
        status: parts.status,
        version: parts.version,
        headers: parts.headers,
        trailers: collected.trailers().cloned().unwrap_or_default(),
        body: collected.to_bytes(),
    }
}

pub(crate) async fn get(url: &str) -> Answer {
    send(&client(), Request::get(url).body(body::empty()).unwrap()).await
}

pub(crate) async fn post(url: &str, text: &'static str) -> Answer {
    send(&client(), Request::post(url).body(body::full(text)).unwrap()).await
}

/// Sends bytes as they are and returns everything until the gateway closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the gateway does not close; so far: {}", String::from_utf8_lossy(&answer));
    String::from_utf8(answer).unwrap()
}

/// The status lines of all responses in raw bytes, also where one follows a body without a line end.
pub(crate) fn raw_lines(answer: &str) -> Vec<&str> {
    let starts = answer.match_indices("HTTP/1.1 ").map(|(start, _)| &answer[start..]);
    starts.map(|response| response.lines().next().unwrap()).collect()
}
