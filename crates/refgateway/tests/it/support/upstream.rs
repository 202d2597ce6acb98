use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use refgateway::body::{self, Body};
use serde_json::json;
use tokio::net::TcpListener;

/// A server on a port of its own, HTTP/1.1 and HTTP/2 in clear text.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Answers with what the handler makes of each request.
    pub(crate) async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen, accepted) = (requests.clone(), connections.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::SeqCst);
                let (handler, seen) = (handler.clone(), seen.clone());
                let service = service_fn(move |request| {
                    seen.fetch_add(1, Ordering::SeqCst);
                    let response = handler(request);
                    async move { Ok::<_, std::convert::Infallible>(response.await) }
                });
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, requests, connections }
    }

    /// Answers with the request as JSON.
    pub(crate) async fn echo() -> Self {
        Self::start(echo).await
    }

    /// Answers every request with this text.
    pub(crate) async fn saying(text: &'static str) -> Self {
        Self::start(move |_| async move { Response::new(body::full(text)) }).await
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The request as JSON: header values of one name in one list.
pub(crate) async fn echo(request: Request<Incoming>) -> Response<Body> {
    let (parts, incoming) = request.into_parts();
    let collected = incoming.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let list = |headers: &http::HeaderMap| {
        let names = headers.keys().map(|name| {
            let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
            (name.to_string(), json!(values))
        });
        names.collect::<serde_json::Map<_, _>>()
    };
    let echo = json!({
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "version": format!("{:?}", parts.version),
        "headers": list(&parts.headers),
        "trailers": list(&trailers),
        "body": String::from_utf8_lossy(&collected.to_bytes()),
    });
    Response::new(body::full(echo.to_string()))
}

/// A port on which nobody listens.
pub(crate) async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
