//! From the end of the chain to the upstream and back.

use std::{
    pin::{Pin, pin},
    sync::Arc,
};

use http::{
    HeaderValue, Request, Response, StatusCode, Uri, header,
    uri::{self, Authority},
};
use hyper::upgrade::OnUpgrade;

use super::{clean_response, exchange::Exchange, request_body::CutBody, retry, upgrade::Upgrade};
use crate::{
    body::Body,
    headers::{add_via, hop_by_hop},
    upstream::UpstreamError,
};

/// Sends the request to a server of the exchange's service. A failure is logged and counted.
///
/// While no connection stands nothing has been sent, so every server is tried in turn. What was sent is sent again when
/// a plugin asked for retries. The route's timeout, or that of a plugin, covers everything up to the response's headers; it starts anew while the request body moves on. Dropping the future cancels
/// the request.
pub async fn forward(exchange: Arc<Exchange>, request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
    pass(&exchange, request).await.inspect_err(|error| report(&exchange, error))
}

async fn pass(exchange: &Arc<Exchange>, mut request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
    let upgrade = rewrite(exchange, &mut request).map_err(UpstreamError::Unforwardable)?;
    if exchange.route.chain.phases().request_body {
        request = request.map(|body| CutBody::wrap(body, exchange.clone()));
    }
    exchange.moves();
    let sending = pin!(retry::send(exchange, request, upgrade.is_some()));
    let response = within(exchange, sending).await.map_err(|error| exchange.blame(error))?;
    receive(exchange, response, upgrade)
}

/// Waits no longer than the route's timeout after the request has last moved on.
async fn within<T>(
    exchange: &Exchange,
    mut sending: Pin<&mut impl Future<Output = Result<T, UpstreamError>>>,
) -> Result<T, UpstreamError> {
    let allowed = exchange.timeout();
    let mut left = allowed;
    loop {
        match tokio::time::timeout(left, sending.as_mut()).await {
            Ok(result) => return result,
            Err(_) => match allowed.checked_sub(exchange.at_rest()) {
                Some(more) if !more.is_zero() => left = more,
                _ => return Err(UpstreamError::Timeout),
            },
        }
    }
}

fn report(exchange: &Exchange, error: &UpstreamError) {
    let upstream = exchange.upstream();
    let upstream = upstream.as_ref().map(Authority::as_str);
    tracing::warn!(%error, route = exchange.route.name, upstream, "request failed");
    if !exchange.body_failed() {
        exchange.route.metrics.upstream_error(error.class());
    }
}

/// Sends the request once, to the first server of those left that a connection to can be had.
pub(super) async fn send(
    exchange: &Exchange,
    request: Request<Body>,
    is_upgrade: bool,
) -> Result<Response<Body>, UpstreamError> {
    let service = exchange.service();
    let ready = service.ready(exchange.worker(), is_upgrade, exchange.served_badly()).await?;
    let upstream = Arc::clone(ready.upstream());
    exchange.sent_to(Arc::clone(&upstream));
    let result = ready.send(own_host(exchange, &upstream, request)).await;
    match &result {
        Ok(_) => upstream.health.succeeded(),
        Err(_) if exchange.body_failed() => {}
        Err(_) => service.failed(&upstream),
    }
    result
}

/// Makes the request the gateway's own; what a plugin added for one connection only goes as well.
fn rewrite(exchange: &Exchange, request: &mut Request<Body>) -> Result<Option<Upgrade>, http::Error> {
    let received = request.version();
    let downstream = request.extensions_mut().remove::<OnUpgrade>();
    let protocol = exchange.upgrade.clone();
    let upgrade = protocol.zip(downstream).map(|(protocol, downstream)| Upgrade { protocol, downstream });

    let headers = request.headers_mut();
    hop_by_hop::remove(headers);
    add_via(headers, received);
    // hyper has answered `100-continue` by the time the body is read.
    headers.remove(header::EXPECT);
    if let Some(upgrade) = &upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, upgrade.protocol.clone());
    } else if headers.contains_key(header::TE) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(prefix) = &exchange.route.strip_prefix {
        strip_prefix(request, prefix)?;
    }
    Ok(upgrade)
}

fn own_host(exchange: &Exchange, upstream: &crate::upstream::Upstream, mut request: Request<Body>) -> Request<Body> {
    let authority = upstream.settings.target.authority.as_str();
    if (!exchange.service().preserve_host || !request.headers().contains_key(header::HOST))
        && let Ok(host) = HeaderValue::try_from(authority)
    {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

fn strip_prefix(request: &mut Request<Body>, prefix: &str) -> Result<(), http::Error> {
    let Some(target) = request.uri().path_and_query() else { return Ok(()) };
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let Some(rest) = target.as_str().strip_prefix(prefix) else { return Ok(()) };
    let stripped = match rest.chars().next() {
        Some('/') => rest.to_owned(),
        None | Some('?') => format!("/{rest}"),
        Some(_) => return Ok(()),
    };
    let mut parts = uri::Parts::default();
    parts.path_and_query = Some(stripped.parse()?);
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

fn receive(
    exchange: &Exchange,
    mut response: Response<Body>,
    upgrade: Option<Upgrade>,
) -> Result<Response<Body>, UpstreamError> {
    match (response.status(), upgrade) {
        (StatusCode::SWITCHING_PROTOCOLS, Some(upgrade)) => Ok(upgrade.relay(exchange, response)),
        (StatusCode::SWITCHING_PROTOCOLS, None) => Err(UpstreamError::UnaskedUpgrade),
        _ => {
            clean_response(&mut response);
            Ok(response)
        }
    }
}
