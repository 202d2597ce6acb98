//! The client for calls of plugins: hyper's, with addresses that are checked and pinned.

mod connect;
mod resolve;
mod stream;

use std::{collections::HashMap, error::Error, fmt, sync::Arc, time::Duration};

use http::{Response, StatusCode, header};
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};
use parking_lot::Mutex;
use wasm_host::{AddressPolicy, Body, BoxFuture, HttpCall, HttpCallError, HttpClient, HttpTarget};

use self::connect::{Connector, Settings};
pub use self::resolve::{Resolve, SystemResolver};

/// Kinds of calls whose connections are kept. A host has one for each address policy among its plugins.
const POOLS: usize = 256;

/// An [`HttpClient`] for URLs, over hyper: HTTP/1.1, and HTTP/2 where TLS agrees on it.
///
/// A name is resolved once a connection; of its addresses those are tried, in their order, that the call's policy allows. Connections
/// are kept and shared by all calls of one policy, whichever plugin makes them. It knows no services.
///
/// ```
/// use wasm_host::PluginEngine;
/// use wasm_host_hyper::HttpCaller;
///
/// let engine = PluginEngine::builder().http_client(HttpCaller::builder().build()).build()?;
/// # Ok::<(), wasm_host::Error>(())
/// ```
///
/// `https` needs the feature `tls` and a configuration that says whom to trust (`HttpCallerBuilder::tls`).
#[derive(Clone)]
pub struct HttpCaller(Arc<Inner>);

struct Inner {
    settings: Arc<Settings>,
    idle_timeout: Duration,
    max_idle: usize,
    clients: Mutex<HashMap<Kind, Client<Connector, Body>>>,
}

/// What must be the same for two calls to share connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    addresses: AddressPolicy,
    connect_timeout: Duration,
}

/// Builds an [`HttpCaller`].
#[derive(Debug)]
#[must_use]
pub struct HttpCallerBuilder {
    settings: Settings,
    idle_timeout: Duration,
    max_idle: usize,
}

impl HttpCaller {
    /// Starts describing a client.
    pub fn builder() -> HttpCallerBuilder {
        let settings = Settings {
            resolver: Arc::new(SystemResolver),
            #[cfg(feature = "tls")]
            tls: None,
        };
        HttpCallerBuilder { settings, idle_timeout: Duration::from_secs(55), max_idle: 32 }
    }

    fn client(&self, kind: &Kind) -> Client<Connector, Body> {
        let mut clients = self.0.clients.lock();
        if let Some(client) = clients.get(kind) {
            return client.clone();
        }
        if clients.len() == POOLS {
            clients.clear();
        }
        let connector = Connector {
            settings: Arc::clone(&self.0.settings),
            addresses: Arc::new(kind.addresses.clone()),
            timeout: kind.connect_timeout,
        };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.0.idle_timeout)
            .pool_max_idle_per_host(self.0.max_idle)
            .http2_adaptive_window(true)
            .build(connector);
        clients.insert(kind.clone(), client.clone());
        client
    }
}

impl HttpCallerBuilder {
    /// Who resolves names. The default is [`SystemResolver`].
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.settings.resolver = Arc::new(resolver);
        self
    }

    /// Speaks `https` in this way. ALPN is set here. Without it every call to an `https` URL fails with
    /// [`HttpCallError::Tls`].
    #[cfg(feature = "tls")]
    pub fn tls(mut self, mut config: tokio_rustls::rustls::ClientConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        self.settings.tls = Some(Arc::new(config));
        self
    }

    /// How long a connection is kept without a call. The default is 55 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Idle connections kept for one host and one address policy. The default is 32.
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }

    /// Makes the client.
    pub fn build(self) -> HttpCaller {
        let Self { settings, idle_timeout, max_idle } = self;
        HttpCaller(Arc::new(Inner { settings: Arc::new(settings), idle_timeout, max_idle, clients: Mutex::default() }))
    }
}

impl HttpClient for HttpCaller {
    fn send(&self, call: HttpCall) -> BoxFuture<'_, Result<Response<Body>, HttpCallError>> {
        let HttpCall { target, request, addresses, connect_timeout, .. } = call;
        if let HttpTarget::Service(name) = target {
            let unknown = HttpCallError::Unavailable(format!("there is no service `{name}`"));
            return Box::pin(async move { Err(unknown) });
        }
        let client = self.client(&Kind { addresses, connect_timeout });
        Box::pin(async move {
            // A connection whose response has just been read goes back to its pool on a task of its own: that one first.
            tokio::task::yield_now().await;
            let response = client.request(request).await.map_err(error_of)?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Err(HttpCallError::protocol("the server switched protocols unasked"));
            }
            let mut response = response.map(Body::new);
            for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE] {
                response.headers_mut().remove(name);
            }
            Ok(response)
        })
    }
}

/// What the connector said, or else that the connection broke.
fn error_of(error: legacy::Error) -> HttpCallError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<HttpCallError>() {
            return error.clone();
        }
        source = cause.source();
    }
    HttpCallError::protocol(error)
}

impl fmt::Debug for HttpCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCaller").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
