//! One line for each request, when its response has ended.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::Authority};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use wasm_host::{Decision, DecisionLog};

use super::metrics;
use crate::{
    body::{Body, BoxError},
    gateway::Gateway,
    proxy::{Client, Exchange},
};

/// What is known about a request for the log. Dropping it writes the line: also when the client has gone away.
///
/// Holds the path without the query and none of the headers but `Host`: both may carry secrets.
#[derive(Debug)]
pub(crate) struct AccessRecord {
    started: Instant,
    /// Absent when no line is to be written.
    asked: Option<Box<Asked>>,
    exchange: Option<Arc<Exchange>>,
    /// Absent when the client left before there was a response.
    status: Option<StatusCode>,
    bytes: u64,
    is_complete: bool,
    decisions: Option<DecisionLog>,
}

/// What the line says of the request.
#[derive(Debug)]
struct Asked {
    id: HeaderValue,
    method: Method,
    host: Option<HeaderValue>,
    uri: Uri,
    client: Arc<Client>,
}

impl AccessRecord {
    pub(crate) fn new(gateway: &Gateway, id: &HeaderValue, request: &Request<Incoming>, client: &Arc<Client>) -> Self {
        let asked = || {
            Box::new(Asked {
                id: id.clone(),
                method: request.method().clone(),
                host: request.headers().get(header::HOST).cloned(),
                uri: request.uri().clone(),
                client: client.clone(),
            })
        };
        Self {
            started: Instant::now(),
            asked: gateway.access_log.then(asked),
            exchange: None,
            status: None,
            bytes: 0,
            is_complete: false,
            decisions: None,
        }
    }

    /// When the request's headers were here.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn routed(&mut self, exchange: &Arc<Exchange>) {
        exchange.route.metrics.started();
        self.exchange = Some(exchange.clone());
    }

    pub(crate) fn responded(mut self, response: &Response<Body>) -> Self {
        self.status = Some(response.status());
        self.is_complete = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        self.decisions = response.extensions().get().cloned();
        self
    }

    fn write(&self, asked: &Asked, status: StatusCode) {
        let exchange = self.exchange.as_deref();
        let host = asked.uri.authority().map(|authority| authority.as_str());
        tracing::info!(
            target: "access",
            id = asked.id.to_str().unwrap_or_default(),
            client = %asked.client.address.ip(),
            method = %asked.method,
            host = host.or_else(|| asked.host.as_ref()?.to_str().ok()),
            path = asked.uri.path(),
            status = status.as_u16(),
            bytes = self.bytes,
            duration_ms = self.started.elapsed().as_micros() as f64 / 1000.0,
            route = exchange.map(|exchange| exchange.route.name.as_str()),
            upstream = exchange.and_then(Exchange::upstream).as_ref().map(Authority::as_str),
            plugins = self.decisions.as_ref().map(summary).filter(|summary| !summary.is_empty()),
            complete = self.is_complete,
        );
    }
}

/// What each plugin did: `auth:request=continue log:response=continue`.
fn summary(decisions: &DecisionLog) -> String {
    let word =
        |decision: &Decision| format!("{}:{}={}", decision.plugin, decision.phase.as_str(), decision.outcome.as_str());
    decisions.read().iter().map(word).collect::<Vec<_>>().join(" ")
}

/// What a client that left before the response counts as, as in nginx.
const CLIENT_LEFT: u16 = 499;

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let left = StatusCode::from_u16(CLIENT_LEFT).unwrap_or(StatusCode::BAD_REQUEST);
        let status = self.status.unwrap_or(left);
        match &self.exchange {
            Some(exchange) => exchange.route.metrics.finished(status, self.started.elapsed()),
            None => metrics::unrouted(status),
        }
        if let Some(asked) = &self.asked {
            self.write(asked, status);
        }
    }
}

/// A response body that counts for the log.
#[derive(Debug)]
pub(crate) struct AccessBody {
    body: Body,
    record: AccessRecord,
    is_broken: bool,
}

impl AccessBody {
    pub(crate) fn new(body: Body, record: AccessRecord) -> Self {
        Self { body, record, is_broken: false }
    }
}

impl http_body::Body for AccessBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.record.bytes += frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(_)) => self.is_broken = true,
            None => self.record.is_complete = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AccessBody {
    fn drop(&mut self) {
        // The server does not poll a body that says it is at its end.
        self.record.is_complete |= !self.is_broken && self.body.is_end_stream();
    }
}
