//! The life of a request, top to bottom.

mod admit;
mod exchange;
mod forward;
mod refusal;
mod request_body;
mod retry;
mod upgrade;

pub(crate) use self::exchange::Client;
pub(crate) use self::refusal::Refusal;
pub use self::{
    exchange::{Exchange, Forward},
    forward::forward,
};

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tracing::Instrument;
use wasm_host::{ExchangeFacts, PluginChain, UpstreamFailure};
use wasm_host_hyper::PluginLayer;

use crate::{
    body::{self, Body},
    gateway::Gateway,
    headers::{add_via, hop_by_hop, request_id},
    telemetry::access_log::{AccessBody, AccessRecord},
    upstream::UpstreamError,
};

/// Answers one request of a client, or refuses it when its lengths conflict. Never fails: what goes wrong becomes a
/// response.
pub(crate) fn serve(
    gateway: Arc<Gateway>,
    client: Arc<Client>,
    request: Request<Incoming>,
    is_conflicting: bool,
) -> impl Future<Output = Response<AccessBody>> + Send {
    async move {
        let id = request_id::accept_or_make(request.headers());
        let mut record = AccessRecord::new(&gateway, &id, &request, &client);
        let is_head = *request.method() == Method::HEAD;
        let admitted = match is_conflicting {
            true => Err(Refusal::bad_request("both Content-Length and Transfer-Encoding")),
            false => admit::admit(gateway, client, &id, record.started(), request),
        };
        let mut response = match admitted {
            Ok((exchange, request)) => {
                record.routed(&exchange);
                let span = tracing::debug_span!("request", id = %id.to_str().unwrap_or_default());
                match span.is_disabled() {
                    true => answer(exchange, request).await,
                    // Boxed: a future that is wrapped is copied.
                    false => Box::pin(answer(exchange, request).instrument(span)).await,
                }
            }
            Err(refusal) => refusal.into_response(),
        };
        if is_head {
            take_content(&mut response);
        }
        finish(response, record, id)
    }
}

/// Runs the route's chain around [`forward`].
fn answer(exchange: Arc<Exchange>, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send {
    async move {
        let result = if exchange.route.chain.plugins().is_empty() {
            forward(exchange, request).await
        } else {
            let (route, facts) = (exchange.route.clone(), exchange.facts());
            route.layer.call(Forward { exchange }, facts, request).await.map(|response| response.map(body::boxed))
        };
        result.unwrap_or_else(|error| Refusal::from(&error).into_response())
    }
}

/// A chain that shows the failures of upstreams to its plugins.
pub(crate) fn plugin_layer(chain: PluginChain, facts: &ExchangeFacts) -> PluginLayer<UpstreamError> {
    let service = facts.service.clone();
    let layer = PluginLayer::new(chain).broken_requests_as(|error| request_body::refuse_broken(error).into_response());
    layer.errors_as(move |error: &UpstreamError| {
        let failure = UpstreamFailure {
            service: service.clone(),
            kind: error.kind(),
            message: error.to_string(),
            status: error.status(),
        };
        (failure, Refusal::from(error).into_response())
    })
}

/// The headers every response carries, whoever made it.
fn finish(mut response: Response<Body>, record: AccessRecord, id: HeaderValue) -> Response<AccessBody> {
    response.headers_mut().insert(request_id::X_REQUEST_ID.clone(), id);
    let record = record.responded(&response);
    response.map(|body| AccessBody::new(body, record))
}

/// The answer to a HEAD has no content, whoever made it (RFC 9110 9.3.2). hyper sees to that in HTTP/1 only.
fn take_content(response: &mut Response<Body>) {
    let body = std::mem::replace(response.body_mut(), body::empty());
    if let Some(length) = body.size_hint().exact().filter(|_| !body.is_end_stream()) {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
}

/// What an upstream's response loses and gains on its way to the client.
fn clean_response(response: &mut Response<Body>) {
    let received = response.version();
    hop_by_hop::remove(response.headers_mut());
    add_via(response.headers_mut(), received);
}
