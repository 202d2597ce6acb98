//! hyper and nothing else as a proxy: `hyper-proxy LISTEN UPSTREAM`. What the gateway could reach at best while it is made
//! of hyper: one thread, one upstream, messages passed on as they are, failures not handled.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::{
    cell::RefCell,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{LocalSet, spawn_local},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Idle = Rc<RefCell<Vec<SendRequest<Incoming>>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut addresses = std::env::args().skip(1).map(|address| address.parse::<SocketAddr>().expect("an address"));
    let (listen, upstream) = (addresses.next().expect("LISTEN"), addresses.next().expect("UPSTREAM"));
    LocalSet::new().run_until(accept(listen, upstream)).await;
}

async fn accept(listen: SocketAddr, upstream: SocketAddr) {
    let listener = TcpListener::bind(listen).await.unwrap();
    let idle = Idle::default();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let idle = idle.clone();
        let service = service_fn(move |request| pass(idle.clone(), upstream, request));
        spawn_local(server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn pass(
    idle: Idle,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Leased>, Infallible> {
    let mut sender = match take(&idle) {
        Some(sender) => sender,
        None => Box::pin(connect(upstream)).await,
    };
    *request.uri_mut() = Uri::from(request.uri().path_and_query().unwrap().clone());
    let response = sender.send_request(request).await.unwrap();
    Ok(response.map(|body| Leased { body, sender: Some(sender), idle }))
}

/// A connection that was not closed meanwhile.
fn take(idle: &Idle) -> Option<SendRequest<Incoming>> {
    let mut idle = idle.borrow_mut();
    std::iter::from_fn(|| idle.pop()).find(SendRequest::is_ready)
}

async fn connect(upstream: SocketAddr) -> SendRequest<Incoming> {
    let stream = TcpStream::connect(upstream).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    spawn_local(connection);
    sender
}

/// A body that gives its connection back.
struct Leased {
    body: Incoming,
    sender: Option<SendRequest<Incoming>>,
    idle: Idle,
}

impl Body for Leased {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if self.body.is_end_stream()
            && let Some(sender) = self.sender.take()
        {
            self.idle.borrow_mut().push(sender);
        }
    }
}
