//! From the end of the chain to the upstream and back.

use std::{
    mem,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
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
    upstream::{Upstream, UpstreamError},
};

/// Longer than any request takes, and no time that a clock cannot show.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Sends the request to a server of the exchange's service. A failure is logged and counted.
///
/// While no connection stands nothing has been sent, so every server is tried in turn. What was sent is sent again when
/// a plugin asked for retries. The route's timeout, or that of a plugin, covers everything up to the response's headers; it
/// starts anew while the request body moves on. Dropping the future cancels the request.
pub fn forward(
    exchange: Arc<Exchange>,
    mut request: Request<Body>,
) -> impl Future<Output = Result<Response<Body>, UpstreamError>> + Send {
    async move { pass(&exchange, &mut request).await.inspect_err(|error| report(&exchange, error)) }
}

async fn pass(exchange: &Arc<Exchange>, request: &mut Request<Body>) -> Result<Response<Body>, UpstreamError> {
    let upgrade = rewrite(exchange, request).map_err(UpstreamError::Unforwardable)?;
    if exchange.route.chain.phases().request_body {
        let body = mem::take(request.body_mut());
        *request.body_mut() = CutBody::wrap(body, exchange.clone());
    }
    if !exchange.route.chain.plugins().is_empty() {
        exchange.moves();
    }
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
    let mut moved = exchange.moved();
    loop {
        let deadline = moved.checked_add(allowed).unwrap_or_else(|| moved + NEVER);
        if let Ok(result) = tokio::time::timeout_at(deadline.into(), sending.as_mut()).await {
            return result;
        }
        match exchange.moved() {
            last if last == moved => return Err(UpstreamError::Timeout),
            last => moved = last,
        }
    }
}

fn report(exchange: &Exchange, error: &UpstreamError) {
    let upstream = exchange.upstream();
    let upstream = upstream.as_ref().map(Authority::as_str);
    let id = exchange.id.to_str().unwrap_or_default();
    tracing::warn!(%error, id, route = exchange.route.name, upstream, "request failed");
    if !exchange.body_failed() {
        exchange.route.metrics.upstream_error(error.class());
    }
}

/// Sends the request once, to the first server of those left that a connection to can be had, and takes it for that.
pub(super) async fn send(
    exchange: &Exchange,
    request: &mut Request<Body>,
    is_upgrade: bool,
) -> Result<Response<Body>, UpstreamError> {
    let service = exchange.service();
    let ready = service.ready(exchange.worker(), is_upgrade, exchange.served_badly()).await?;
    let upstream = Arc::clone(ready.upstream());
    exchange.sent_to(Arc::clone(&upstream));
    set_host(exchange, &upstream, request);
    let result = ready.send(request).await;
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
    if !exchange.route.chain.plugins().is_empty() {
        hop_by_hop::remove(headers);
    }
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

/// The host is the server, where the service does not keep that of the client.
fn set_host(exchange: &Exchange, upstream: &Upstream, request: &mut Request<Body>) {
    let authority = upstream.settings.target.authority.as_str();
    if (!exchange.service().preserve_host || !request.headers().contains_key(header::HOST))
        && let Ok(host) = HeaderValue::try_from(authority)
    {
        request.headers_mut().insert(header::HOST, host);
    }
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
