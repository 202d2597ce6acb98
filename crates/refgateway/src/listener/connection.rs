//! One client's connection, from accept to close.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use wasm_host::TlsFacts;

use super::{
    activity::{Activity, Busy},
    guard::Guard,
    sniff, tls,
    watch::{Patience, Told, Watched},
};
use crate::{
    body,
    config::Limits,
    gateway::Gateway,
    headers::forwarded::Hop,
    proxy::{self, Client},
    telemetry::access_log::AccessBody,
    worker::Worker,
};

/// Accepts connections for listener number `index` until the worker drains.
pub(crate) async fn accept_loop(worker: Arc<Worker>, listener: TcpListener, index: usize) {
    let mut draining = worker.draining();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|draining| *draining) => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let worker = worker.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(&worker, stream, address, index).await {
                        tracing::debug!(%error, client = %address, "connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Out of file descriptors, most likely: a moment lets others close.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(
    worker: &Arc<Worker>,
    stream: TcpStream,
    address: SocketAddr,
    index: usize,
) -> Result<(), body::BoxError> {
    let gateway = worker.gateway();
    let tls = gateway.tls.get(index).cloned().flatten();
    let client = |tls: Option<TlsFacts>| {
        let hop = Hop::new(address.ip(), tls.is_some());
        Arc::new(Client { address, hop, tls: tls.map(Arc::new), worker: worker.id, _alive: worker.living.enter() })
    };
    stream.set_nodelay(true)?;
    let head_timeout = gateway.timeouts.headers.0;
    match tls {
        Some(config) => {
            let stream = Box::pin(timeout(head_timeout, handshake(config, stream))).await??;
            let session = stream.get_ref().1;
            let is_h2 = session.alpn_protocol() == Some(b"h2".as_slice());
            let client = client(Some(tls::facts(session)));
            let connection = Connection { worker, gateway: &gateway, client, is_h2, prefix: Bytes::new() };
            Box::pin(connection.run(stream)).await
        }
        None => {
            let mut stream = stream;
            let (prefix, is_h2) = timeout(head_timeout, sniff::is_h2(&mut stream)).await??;
            let client = client(None);
            Connection { worker, gateway: &gateway, client, is_h2, prefix }.run(stream).await
        }
    }
}

async fn handshake(
    config: Arc<ServerConfig>,
    stream: TcpStream,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    TlsAcceptor::from(config).accept(stream).await
}

struct Connection<'w> {
    worker: &'w Arc<Worker>,
    gateway: &'w Gateway,
    client: Arc<Client>,
    is_h2: bool,
    prefix: Bytes,
}

impl Connection<'_> {
    async fn run<S>(self, stream: S) -> Result<(), body::BoxError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Arc::new(Activity::new());
        let timeouts = self.gateway.timeouts;
        let patience = Patience { head: timeouts.headers.0, idle: timeouts.idle.0 };
        let watched = self.worker.watch.enter(activity.clone(), patience);
        let io = TokioIo::new(Guard::new(stream, self.prefix, self.is_h2, activity.clone()));

        let (worker, client) = (self.worker.clone(), self.client);
        let service = service_fn(move |request: Request<Incoming>| {
            let (worker, client, busy) = (worker.clone(), client.clone(), activity.begin());
            let is_conflicting = activity.is_conflicting();
            async move {
                let response = proxy::serve(worker.gateway(), client, request, is_conflicting).await;
                Ok::<_, Infallible>(response.map(|body| BusyBody { body, broken: None, _busy: busy }))
            }
        });

        // Boxed: a connection is one or the other, and idle ones are most of what a gateway keeps in memory.
        let limits = self.gateway.limits;
        match self.is_h2 {
            true => Box::pin(serve_http2(io, service, limits, watched)).await,
            false => Box::pin(serve_http1(io, service, limits, watched)).await,
        }
    }
}

async fn serve_http1<S>(
    io: TokioIo<Guard<S>>,
    service: impl Serve,
    limits: Limits,
    watched: Watched,
) -> Result<(), body::BoxError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes.as_usize())
        .max_buf_size(limits.header_bytes.as_usize());
    if limits.headers != HYPERS_OWN_LIMIT {
        builder.max_headers(limits.headers);
    }
    let connection = pin!(builder.serve_connection(io, service).with_upgrades());
    drive(connection, http1::UpgradeableConnection::graceful_shutdown, watched).await
}

async fn serve_http2<S>(
    io: TokioIo<Guard<S>>,
    service: impl Serve,
    limits: Limits,
    watched: Watched,
) -> Result<(), body::BoxError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes.0).unwrap_or(u32::MAX));
    let connection = pin!(builder.serve_connection(io, service));
    drive(connection, http2::Connection::graceful_shutdown, watched).await
}

/// Drives a connection to its end: its own, or the one that it is told.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    shut_down: fn(Pin<&mut C>),
    mut watched: Watched,
) -> Result<(), body::BoxError>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut is_shut_down = false;
    poll_fn(|cx| {
        let told = watched.told(cx);
        if told == Told::End {
            return Poll::Ready(Err("idle, or sending headers, for too long".into()));
        }
        // Before it is shut down: hyper closes a connection at once of which it has read nothing.
        let ended = connection.as_mut().poll(cx);
        if ended.is_pending() && told == Told::Drain && !is_shut_down {
            is_shut_down = true;
            shut_down(connection.as_mut());
            return connection.as_mut().poll(cx).map_err(Into::into);
        }
        ended.map_err(Into::into)
    })
    .await
}

/// What answers the requests of a connection.
trait Serve:
    Service<Request<Incoming>, Response = Response<BusyBody>, Error = Infallible, Future: Send + 'static> + Send + 'static
{
}

impl<S> Serve for S where
    S: Service<Request<Incoming>, Response = Response<BusyBody>, Error = Infallible, Future: Send + 'static>
        + Send
        + 'static
{
}

/// Left alone, hyper keeps this many headers on the stack; any limit that is set, the same too, goes to the heap.
const HYPERS_OWN_LIMIT: usize = 100;

/// A response body whose end is the request's end.
///
/// An error waits for a turn: hyper drops what it has not written yet when a body breaks off, and the client is to get
/// what was there before.
#[derive(Debug)]
struct BusyBody {
    body: AccessBody,
    broken: Option<body::BoxError>,
    _busy: Busy,
}

impl http_body::Body for BusyBody {
    type Data = Bytes;
    type Error = body::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, body::BoxError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Err(error))) = frame {
            self.broken = Some(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::listener::Watch;

    #[tokio::test]
    async fn what_has_arrived_when_draining_begins_is_answered() {
        let watch = Arc::new(Watch::default());
        watch.drain();
        let patience = Patience { head: Duration::from_secs(10), idle: Duration::from_secs(10) };
        let watched = watch.enter(Arc::new(Activity::new()), patience);
        let (mut client, server) = tokio::io::duplex(4096);
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();

        let service = service_fn(|_| async {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("served"))))
        });
        let connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades());
        drive(connection, http1::UpgradeableConnection::graceful_shutdown, watched).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("served"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}
