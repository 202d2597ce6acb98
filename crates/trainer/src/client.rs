//! Clients that ask again as soon as they have an answer.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    task::{JoinSet, spawn_local},
    time::Instant,
};

use crate::work::Work;

const CLIENTS: usize = 16;
const EVENTS: usize = 64;
const SECRET: (&str, &str) = ("authorization", "Bearer secret");
/// As browsers send them.
const HEADERS: [(&str, &str); 8] = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-GB,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("referer", "https://shop.example/items"),
    ("cookie", "session=0123456789abcdef0123456789abcdef"),
    ("cache-control", "no-cache"),
    ("x-trace", "5f0c1c9e-3d7b-4f61-9c55-0a5f3d1f7c11"),
];

/// A connection for each client.
pub(crate) async fn over_http1(gateway: SocketAddr, work: &Work, time: Duration) {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut sender, connection) = http1::handshake(connect(gateway).await).await.unwrap();
        spawn_local(connection);
        let asked = Asked::new(gateway, work);
        clients.spawn_local(ask(asked, time, async move |asked| sender.send_request(asked.path_only()).await));
    }
    clients.join_all().await;
}

/// One connection for all.
pub(crate) async fn over_http2(gateway: SocketAddr, work: &Work, time: Duration) {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), connect(gateway).await).await.unwrap();
    spawn_local(connection);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut sender, asked) = (sender.clone(), Asked::new(gateway, work));
        clients.spawn_local(ask(asked, time, async move |asked| sender.send_request(asked.whole()).await));
    }
    clients.join_all().await;
}

/// One client. Every answer has to be the expected one.
async fn ask(asked: Asked, time: Duration, mut send: impl AsyncFnMut(&Asked) -> hyper::Result<Response<Incoming>>) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        let (parts, body) = send(&asked).await.unwrap().into_parts();
        body.collect().await.unwrap();
        assert_eq!(parts.status, asked.answer, "{asked:?}: {parts:?}");
    }
}

async fn connect(gateway: SocketAddr) -> TokioIo<TcpStream> {
    let stream = TcpStream::connect(gateway).await.unwrap();
    stream.set_nodelay(true).unwrap();
    TokioIo::new(stream)
}

/// What a client asks, again and again.
#[derive(Debug)]
struct Asked {
    target: Uri,
    body: Bytes,
    secret: Option<(&'static str, &'static str)>,
    answer: StatusCode,
}

impl Asked {
    fn new(gateway: SocketAddr, work: &Work) -> Self {
        let event = format!("data: {}\n\n", "x".repeat(200));
        let body = if work.has_body { event.repeat(EVENTS).into() } else { Bytes::new() };
        let target = format!("http://{gateway}/{}/items?page=3", work.name);
        let (secret, answer) =
            if work.is_refused { (None, StatusCode::UNAUTHORIZED) } else { (Some(SECRET), StatusCode::OK) };
        Self { target: target.parse().unwrap(), body, secret, answer }
    }

    /// With the whole target, as HTTP/2 wants it.
    fn whole(&self) -> Request<Full<Bytes>> {
        let method = if self.body.is_empty() { Method::GET } else { Method::POST };
        let request = Request::builder().method(method).uri(self.target.clone());
        let request =
            HEADERS.iter().chain(&self.secret).fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(Full::new(self.body.clone())).unwrap()
    }

    /// With the path, and the host as a header.
    fn path_only(&self) -> Request<Full<Bytes>> {
        let mut request = self.whole();
        let host = self.target.authority().unwrap().as_str().parse().unwrap();
        request.headers_mut().insert(header::HOST, host);
        *request.uri_mut() = self.target.path_and_query().unwrap().clone().into();
        request
    }
}
