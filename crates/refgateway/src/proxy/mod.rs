//! The life of a request, top to bottom.

mod admit;
mod exchange;
mod forward;
mod refusal;
mod request_body;
mod upgrade;

pub(crate) use self::exchange::Client;
pub(crate) use self::refusal::Refusal;
pub use self::{
    exchange::{Exchange, Forward},
    forward::forward,
};

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tracing::Instrument;

use crate::{
    body::Body,
    gateway::Gateway,
    headers::{add_via, hop_by_hop, request_id},
    telemetry::access_log::{AccessBody, AccessRecord},
};

/// Answers one request of a client. Never fails: what goes wrong becomes a response.
pub(crate) async fn serve(gateway: Arc<Gateway>, client: Arc<Client>, request: Request<Incoming>) -> Response<Body> {
    let id = request_id::accept_or_make(request.headers());
    let mut record = AccessRecord::new(&gateway, &id, &request, &client);
    let span = tracing::info_span!("request", id = %record.id());

    let response = match admit::admit(&gateway, &client, &id, request) {
        Ok((exchange, request)) => {
            record.routed(&exchange);
            answer(exchange, request).instrument(span).await
        }
        Err(refusal) => refusal.into_response(),
    };
    finish(response, record, id)
}

/// Runs the route's chain around [`forward`].
async fn answer(exchange: Arc<Exchange>, request: Request<Body>) -> Response<Body> {
    match forward(exchange.clone(), request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(%error, route = exchange.route.name, upstream = exchange.upstream(), "request failed");
            exchange.route.metrics.upstream_error(error.class());
            Refusal::from(&error).into_response()
        }
    }
}

/// The headers every response carries, whoever made it.
fn finish(mut response: Response<Body>, record: AccessRecord, id: http::HeaderValue) -> Response<Body> {
    let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(request_id::X_REQUEST_ID.clone(), id);
    if is_upgrade {
        drop(record.responded(&response));
        return response;
    }
    let record = record.responded(&response);
    response.map(|body| AccessBody::wrap(body, record))
}

/// What an upstream's response loses and gains on its way to the client.
fn clean_response(response: &mut Response<Body>) {
    let received = response.version();
    hop_by_hop::remove(response.headers_mut());
    add_via(response.headers_mut(), received);
}
