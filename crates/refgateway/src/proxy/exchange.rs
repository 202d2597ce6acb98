//! What is known about one request while it is under way.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::SystemTime,
};

use http::{HeaderValue, Request, Response};
use tower_service::Service;
use wasm_host::ExchangeFacts;
use wasm_host_hyper::ChosenService;

use super::forward::forward;
use crate::{
    body::Body,
    gateway::{Gateway, Route},
    listener::Alive,
    upstream::{self, Upstream, UpstreamError},
};

/// The client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) is_tls: bool,
    pub(crate) worker: usize,
    /// Keeps the worker from ending while the connection, or what it was upgraded to, lives.
    pub(crate) _alive: Alive,
}

/// One downstream request and its response: the facts that do not change.
#[derive(Debug)]
pub struct Exchange {
    /// The request id.
    pub id: HeaderValue,
    /// Its route.
    pub route: Arc<Route>,
    /// The picture of the config it started with.
    pub gateway: Arc<Gateway>,
    pub(crate) client: Arc<Client>,
    /// The protocol the client asks to switch to.
    pub(super) upgrade: Option<HeaderValue>,
    pub(super) body_end: AtomicU8,
    pub(super) upstream: OnceLock<Arc<Upstream>>,
    /// The service that a plugin chose.
    chosen: OnceLock<Arc<upstream::Service>>,
}

/// How the client's request body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum BodyEnd {
    /// Well, or not yet.
    Fine = 0,
    /// Malformed or cut off.
    Broken = 1,
    /// Over the limit.
    TooLarge = 2,
}

impl Exchange {
    pub(super) fn new(gateway: Arc<Gateway>, client: Arc<Client>, route: Arc<Route>, id: HeaderValue) -> Self {
        let (body_end, upstream) = (AtomicU8::new(BodyEnd::Fine as u8), OnceLock::new());
        let chosen = OnceLock::new();
        Self { id, route, gateway, client, upgrade: None, body_end, upstream, chosen }
    }

    /// The client's address.
    pub fn client_address(&self) -> SocketAddr {
        self.client.address
    }

    /// Whether the client speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.client.is_tls
    }

    /// Where the request goes: to the service that a plugin chose, or to that of its route.
    pub fn service(&self) -> &Arc<upstream::Service> {
        self.chosen.get().unwrap_or(&self.route.service)
    }

    /// What plugins are told of it.
    pub(super) fn facts(&self) -> ExchangeFacts {
        ExchangeFacts {
            id: self.id.to_str().unwrap_or_default().to_owned(),
            client_address: Some(self.client.address.ip()),
            received_at: SystemTime::now(),
            ..self.route.facts.clone()
        }
    }

    fn choose(&self, ChosenService(name): &ChosenService) {
        if let Some(service) = self.gateway.services.iter().find(|service| *service.name == **name) {
            let _ = self.chosen.set(Arc::clone(service));
        }
    }

    /// Authority of the server the request was sent to, once it was.
    pub fn upstream(&self) -> Option<&str> {
        self.upstream.get().map(|upstream| upstream.settings.target.authority.as_str())
    }

    /// The number of the worker that serves it.
    pub fn worker(&self) -> usize {
        self.client.worker
    }

    pub(super) fn body_ended(&self, end: BodyEnd) {
        self.body_end.store(end as u8, Ordering::Relaxed);
    }

    /// Whether the client's request body broke off or was too large: the upstream has no part in what follows.
    pub(super) fn body_failed(&self) -> bool {
        self.body_end.load(Ordering::Relaxed) != BodyEnd::Fine as u8
    }

    /// The error behind the error: an upstream cannot answer a request whose body broke off.
    pub(super) fn blame(&self, error: UpstreamError) -> UpstreamError {
        match self.body_end.load(Ordering::Relaxed) {
            end if end == BodyEnd::Broken as u8 => UpstreamError::RequestBroken,
            end if end == BodyEnd::TooLarge as u8 => UpstreamError::RequestTooLarge,
            _ => error,
        }
    }
}

/// [`forward`] as a tower service: what a plugin chain wraps. One for each exchange.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The exchange whose request it sends.
    pub exchange: Arc<Exchange>,
}

impl Service<Request<Body>> for Forward {
    type Response = Response<Body>;
    type Error = UpstreamError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, UpstreamError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(chosen) = request.extensions().get() {
            self.exchange.choose(chosen);
        }
        Box::pin(forward(self.exchange.clone(), request))
    }
}
