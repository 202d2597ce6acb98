//! A new connection to an upstream.

use std::{sync::Arc, time::Duration};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Target, UpstreamError};
use crate::{body::Body, config::Protocol};

/// A connection a request can be sent on.
#[derive(Debug)]
pub(super) enum Sender {
    /// Takes one request at a time.
    Http1(http1::SendRequest<Body>),
    /// Takes many; clones share the connection.
    Http2(http2::SendRequest<Body>),
}

/// What to connect to, and how.
#[derive(Debug)]
pub(super) struct Connect<'c> {
    pub(super) target: &'c Target,
    pub(super) tls: Option<&'c Arc<ClientConfig>>,
    pub(super) protocol: Protocol,
    pub(super) timeout: Duration,
}

impl Connect<'_> {
    /// Connects and shakes hands within the timeout.
    pub(super) async fn run(self) -> Result<Sender, UpstreamError> {
        let timeout = self.timeout;
        match tokio::time::timeout(timeout, self.connect()).await {
            Ok(result) => result,
            Err(_) => Err(UpstreamError::ConnectTimeout),
        }
    }

    async fn connect(self) -> Result<Sender, UpstreamError> {
        let stream =
            TcpStream::connect((self.target.host(), self.target.port())).await.map_err(UpstreamError::Connect)?;
        stream.set_nodelay(true).map_err(UpstreamError::Connect)?;
        let Some(config) = self.tls else {
            return shake_hands(stream, self.protocol == Protocol::H2c).await;
        };
        let name = self.target.server_name().map_err(|error| UpstreamError::Connect(std::io::Error::other(error)))?;
        let stream = TlsConnector::from(config.clone()).connect(name, stream).await.map_err(UpstreamError::Connect)?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
        shake_hands(stream, is_h2).await
    }
}

/// Starts HTTP; the connection runs on its own task until either side closes it.
async fn shake_hands<S>(stream: S, is_h2: bool) -> Result<Sender, UpstreamError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let io = TokioIo::new(stream);
    if is_h2 {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .adaptive_window(true)
            .handshake(io)
            .await
            .map_err(UpstreamError::Handshake)?;
        tokio::spawn(log_end(connection));
        return Ok(Sender::Http2(sender));
    }
    let (sender, connection) = http1::Builder::new().handshake(io).await.map_err(UpstreamError::Handshake)?;
    tokio::spawn(log_end(connection.with_upgrades()));
    Ok(Sender::Http1(sender))
}

async fn log_end(connection: impl Future<Output = Result<(), hyper::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "upstream connection ended");
    }
}
