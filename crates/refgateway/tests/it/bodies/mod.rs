//! Plugins that read bodies, over real sockets: HTTP/1.1 and HTTP/2 towards the client and towards the upstream.

mod aborts;
mod early;
mod failing;
mod flowing;
mod memory;
mod modes;
mod special;
mod upstreams;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use test_guests::NATIVE_BODIES;

use crate::{plugins::plugins, support::*};

/// What the gateway speaks with its client and with the upstream.
#[derive(Clone, Copy, Debug)]
struct Wire {
    is_h2_client: bool,
    is_h2_upstream: bool,
}

/// Every combination.
const WIRES: [Wire; 4] = [
    Wire { is_h2_client: false, is_h2_upstream: false },
    Wire { is_h2_client: true, is_h2_upstream: false },
    Wire { is_h2_client: false, is_h2_upstream: true },
    Wire { is_h2_client: true, is_h2_upstream: true },
];

impl Wire {
    fn client(self) -> Client<HttpConnector, Body> {
        if self.is_h2_client { h2_client() } else { client() }
    }

    fn plugged(self, upstream: SocketAddr) -> Plugged {
        Plugged::to(upstream).service(if self.is_h2_upstream { "protocol: h2c" } else { "protocol: http1" })
    }

    /// A gateway whose one plugin reads bodies as this config says; `more` is what else its entry says.
    fn gateway(self, upstream: &Upstream, config: &str, more: &str) -> Gateway {
        self.plugged(upstream.address).reading(config, more).start()
    }
}

impl Plugged {
    /// Through a plugin that reads bodies as this config says.
    fn reading(self, config: &str, more: &str) -> Self {
        self.through("bodies", NATIVE_BODIES, &format!("config: {config}, {more}"))
    }
}

/// An upstream that answers with the body of the request.
async fn mirror() -> Upstream {
    Upstream::start(|request: Request<Incoming>| async { Response::new(body::boxed(request.into_body())) }).await
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from(text))
}

async fn next_text(body: &mut Incoming) -> String {
    let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.expect("nothing comes");
    String::from_utf8(frame.unwrap().unwrap().into_data().unwrap().to_vec()).unwrap()
}

fn post_to(gateway: &Gateway, body: Body) -> Request<Body> {
    Request::post(gateway.url("/")).body(body).unwrap()
}

/// Waits until no exchange holds an instance of the first plugin any more.
async fn released(gateway: &Gateway) {
    until(async || plugins(gateway).await[0]["stats"]["active"] == 0).await;
}

/// The metric's line that starts so.
async fn metric(gateway: &Gateway, start: &str) -> Option<String> {
    let metrics = get(&format!("http://{}/metrics", gateway.admin())).await;
    metrics.text().lines().find(|line| line.starts_with(start)).map(str::to_owned)
}
