//! Where the gateway sends what it is asked.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::spawn_local};

/// Starts it on a port that the system picks.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let answer = service_fn(|request| async { Ok::<_, Infallible>(answer(request)) });
            spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

/// The events that were sent, or two bytes.
fn answer(request: Request<Incoming>) -> Response<Either<Incoming, Full<Bytes>>> {
    let (kind, body) = match *request.method() {
        Method::POST => ("text/event-stream", Either::Left(request.into_body())),
        _ => ("text/plain", Either::Right(Full::from("ok"))),
    };
    Response::builder().header(header::CONTENT_TYPE, kind).header(header::SERVER, "trainer").body(body).unwrap()
}
