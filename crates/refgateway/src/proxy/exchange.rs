//! What is known about one request while it is under way.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderValue, Request, Response, uri::Authority};
use parking_lot::Mutex;
use tower_service::Service;
use wasm_host::{ExchangeFacts, Routing, TlsFacts};

use super::forward::forward;
use crate::{
    body::Body,
    gateway::{Gateway, Route},
    headers::forwarded::Hop,
    listener::Alive,
    upstream::{self, Upstream, UpstreamError},
};

/// The client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    /// As upstreams are told of it.
    pub(crate) hop: Hop,
    /// How the connection is secured; none for one in clear text.
    pub(crate) tls: Option<Arc<TlsFacts>>,
    pub(crate) worker: usize,
    /// Keeps the worker from ending while the connection, or what it was upgraded to, lives.
    pub(crate) _alive: Alive,
}

/// One downstream request and its response.
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
    body_end: AtomicU8,
    sent: Mutex<Sent>,
    /// What plugins said about how the request is sent.
    routing: Mutex<Routing>,
    /// The place in the gateway's list of the service that a plugin chose; [`usize::MAX`] when none did.
    chosen: AtomicUsize,
    started: Instant,
    /// Microseconds after `started` when the request was last seen to move on.
    moved: AtomicU64,
}

/// The servers that the request was sent to.
#[derive(Debug, Default)]
struct Sent {
    last: Option<Arc<Upstream>>,
    before: Vec<Arc<Upstream>>,
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
    /// Broken off by a plugin.
    Cut = 3,
}

impl Exchange {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        client: Arc<Client>,
        route: Arc<Route>,
        id: HeaderValue,
        started: Instant,
    ) -> Self {
        Self {
            id,
            route,
            gateway,
            client,
            upgrade: None,
            body_end: AtomicU8::new(BodyEnd::Fine as u8),
            sent: Mutex::default(),
            routing: Mutex::default(),
            chosen: AtomicUsize::new(usize::MAX),
            started,
            moved: AtomicU64::new(0),
        }
    }

    /// The client's address.
    pub fn client_address(&self) -> SocketAddr {
        self.client.address
    }

    /// Where the request goes: to the service that a plugin chose, or to that of its route.
    pub fn service(&self) -> &Arc<upstream::Service> {
        self.gateway.services.get(self.chosen.load(Ordering::Relaxed)).unwrap_or(&self.route.service)
    }

    /// What plugins are told of it.
    pub(super) fn facts(&self) -> ExchangeFacts {
        ExchangeFacts {
            id: self.id.to_str().unwrap_or_default().to_owned(),
            client_address: Some(self.client.address.ip()),
            tls: self.client.tls.clone(),
            received_at: SystemTime::now(),
            ..self.route.facts.clone()
        }
    }

    fn follow(&self, routing: &Routing) {
        let named = |name: &Arc<str>| self.gateway.services.iter().position(|service| *service.name == **name);
        if let Some(index) = routing.service.as_ref().and_then(named) {
            self.chosen.store(index, Ordering::Relaxed);
        }
        self.routing.lock().clone_from(routing);
    }

    /// How long the response's headers may take: as a plugin said, or else as the route has it.
    pub(super) fn timeout(&self) -> Duration {
        self.routing.lock().timeout.unwrap_or(self.route.timeout)
    }

    /// How often the request is sent again when a server fails it.
    pub(super) fn retries(&self) -> u32 {
        self.routing.lock().retries
    }

    /// Authority of the server the request was sent to, the last one if it was sent again.
    pub fn upstream(&self) -> Option<Authority> {
        self.sent.lock().last.as_ref().map(|upstream| upstream.settings.target.authority.clone())
    }

    pub(super) fn sent_to(&self, upstream: Arc<Upstream>) {
        let mut sent = self.sent.lock();
        if let Some(before) = sent.last.replace(upstream) {
            sent.before.push(before);
        }
    }

    /// The servers of its service that it was sent to already, unless these are all: it is sent again because a plugin
    /// says so, and another server may know better.
    pub(super) fn served_badly(&self) -> Vec<usize> {
        let sent = self.sent.lock();
        let Some(last) = &sent.last else { return Vec::new() };
        let was_sent_to = |server: &Arc<Upstream>| sent.before.iter().chain([last]).any(|to| Arc::ptr_eq(to, server));
        let servers = &self.service().upstreams;
        let tried: Vec<_> =
            servers.iter().enumerate().filter(|(_, server)| was_sent_to(server)).map(|(index, _)| index).collect();
        if tried.len() == servers.len() { Vec::new() } else { tried }
    }

    /// Notes that the request moves on: its timeout starts anew.
    pub(super) fn moves(&self) {
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// When the request was last seen to move on.
    pub(super) fn moved(&self) -> Instant {
        self.started + Duration::from_micros(self.moved.load(Ordering::Relaxed))
    }

    /// The number of the worker that serves it.
    pub fn worker(&self) -> usize {
        self.client.worker
    }

    pub(super) fn body_ended(&self, end: BodyEnd) {
        self.body_end.store(end as u8, Ordering::Relaxed);
    }

    /// Whether the request body broke off, was too large or was cut: the upstream has no part in what follows.
    pub(super) fn body_failed(&self) -> bool {
        self.body_end.load(Ordering::Relaxed) != BodyEnd::Fine as u8
    }

    /// The error behind the error: an upstream cannot answer a request whose body broke off.
    pub(super) fn blame(&self, error: UpstreamError) -> UpstreamError {
        match self.body_end.load(Ordering::Relaxed) {
            end if end == BodyEnd::Broken as u8 => UpstreamError::RequestBroken,
            end if end == BodyEnd::TooLarge as u8 => UpstreamError::RequestTooLarge,
            end if end == BodyEnd::Cut as u8 => UpstreamError::RequestCut,
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
        if let Some(routing) = request.extensions().get() {
            self.exchange.follow(routing);
        }
        Box::pin(forward(self.exchange.clone(), request))
    }
}
