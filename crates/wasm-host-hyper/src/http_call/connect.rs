use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;
use wasm_host::{AddressPolicy, BoxFuture, HttpCallError};

use super::{Resolve, stream::Stream};

/// What all connections are made with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) resolver: Arc<dyn Resolve>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<tokio_rustls::rustls::ClientConfig>>,
}

/// Makes connections to the addresses that one policy allows.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) settings: Arc<Settings>,
    pub(super) addresses: Arc<AddressPolicy>,
    pub(super) timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = HttpCallError;
    type Future = BoxFuture<'static, Result<TokioIo<Stream>, HttpCallError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpCallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let connecting = this.connect(&url);
            let stream = tokio::time::timeout(this.timeout, connecting).await;
            Ok(TokioIo::new(stream.map_err(|_| HttpCallError::ConnectTimeout)??))
        })
    }
}

impl Connector {
    async fn connect(&self, url: &Uri) -> Result<Stream, HttpCallError> {
        let is_https = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let stream = dial(&self.allowed(host, port).await?).await?;
        if is_https { self.shake_hands(host, stream).await } else { Ok(Stream::plain(stream)) }
    }

    /// The addresses of a host that may be connected to, at least one. Nothing is resolved after this.
    async fn allowed(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpCallError> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.settings.resolver.resolve(host, port).await.map_err(|error| unresolved(host, error))?,
        };
        let Some(first) = found.first().map(SocketAddr::ip) else {
            return Err(unresolved(host, io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        };
        let allowed: Vec<_> = found.into_iter().filter(|address| self.addresses.allows(address.ip())).collect();
        if allowed.is_empty() {
            return Err(HttpCallError::AddressDenied { host: host.to_owned(), address: first });
        }
        Ok(allowed)
    }

    #[cfg(feature = "tls")]
    async fn shake_hands(&self, host: &str, stream: TcpStream) -> Result<Stream, HttpCallError> {
        use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

        let failed = |error| HttpCallError::Tls(Arc::new(error));
        let config = self.settings.tls.clone().ok_or_else(no_tls)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(failed)?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Stream::encrypted(stream, is_h2))
    }

    #[cfg(not(feature = "tls"))]
    async fn shake_hands(&self, _: &str, _: TcpStream) -> Result<Stream, HttpCallError> {
        Err(no_tls())
    }
}

/// Connects to the first address that answers.
async fn dial(addresses: &[SocketAddr]) -> Result<TcpStream, HttpCallError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|error| HttpCallError::Connect(Arc::new(error)))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(HttpCallError::Connect(Arc::new(last)))
}

fn unresolved(host: &str, source: io::Error) -> HttpCallError {
    HttpCallError::Dns { host: host.to_owned(), source: Arc::new(source) }
}

fn no_tls() -> HttpCallError {
    HttpCallError::Tls(Arc::new(io::Error::new(io::ErrorKind::Unsupported, "the host's client speaks no TLS")))
}
