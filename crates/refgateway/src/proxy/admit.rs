//! From a client's bytes to an exchange on a route, or a refusal.

use std::{sync::Arc, time::Instant};

use http::{HeaderValue, Method, Request, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::{Client, Refusal, exchange::Exchange, request_body::RequestBody};
use crate::{
    body::{self, Body},
    gateway::Gateway,
    headers::{forwarded::Host, hop_by_hop, request_id::X_REQUEST_ID},
    router::{Found, Question},
};

/// Checks the request, finds its route and makes it an exchange.
pub(super) fn admit(
    gateway: Arc<Gateway>,
    client: Arc<Client>,
    id: &HeaderValue,
    started: Instant,
    mut request: Request<Incoming>,
) -> Result<(Arc<Exchange>, Request<Body>), Refusal> {
    if request.method() == Method::CONNECT {
        return Err(Refusal::METHOD_NOT_ALLOWED);
    }
    let host = one_host(&client, &mut request)?;
    check_path(request.uri().path())?;
    let limit = gateway.limits.request_body.map(|size| size.0);
    if limit.is_some_and(|limit| request.body().size_hint().lower() > limit) {
        return Err(Refusal::TOO_LARGE);
    }

    let question = Question {
        method: request.method(),
        host: host.as_ref().map(|host| host.name.as_str()).unwrap_or_default(),
        path: request.uri().path(),
        headers: request.headers(),
    };
    let route = match gateway.router.find(question) {
        Found::Route(index) => gateway.routes.get(index).ok_or(Refusal::NOT_FOUND)?.clone(),
        Found::MethodNotAllowed(methods) => return Err(Refusal::method_not_allowed(&methods)),
        Found::Nothing => return Err(Refusal::NOT_FOUND),
    };

    let mut exchange = Exchange::new(gateway, client, route, id.clone(), started);
    exchange.upgrade = clean(&mut request, &exchange, host.as_deref());
    let exchange = Arc::new(exchange);
    let request = request.map(|incoming| match incoming.is_end_stream() {
        true => body::empty(),
        false => body::boxed(RequestBody::new(incoming, exchange.clone(), limit)),
    });
    Ok((exchange, request))
}

/// Takes away what is for the client's connection only and what anyone could have written: neither may fool a plugin, or
/// take away a header that a plugin sets. Returns the protocol the client asks to switch to.
fn clean(request: &mut Request<Incoming>, exchange: &Exchange, host: Option<&Host>) -> Option<HeaderValue> {
    let is_http11 = request.version() == Version::HTTP_11;
    let headers = request.headers_mut();
    let upgrade = hop_by_hop::remove(headers).filter(|_| is_http11);
    exchange.client.hop.write(headers, host, exchange.gateway.trust);
    headers.insert(X_REQUEST_ID.clone(), exchange.id.clone());
    upgrade
}

/// The one host of the request, which is also its only `Host` header afterwards.
fn one_host(client: &Client, request: &mut Request<Incoming>) -> Result<Option<Arc<Host>>, Refusal> {
    const INVALID: Refusal = Refusal::bad_request("invalid Host header");
    let mut given = request.headers().get_all(header::HOST).iter();
    let (host, second) = (given.next(), given.next());
    if second.is_some() {
        return Err(Refusal::bad_request("more than one Host header"));
    }
    let named = match host {
        // HTTP/1.1 allows an empty Host where the target has none.
        Some(host) if host.is_empty() => None,
        Some(host) => Some(client.hop.host(host).ok_or(INVALID)?),
        None if request.version() == Version::HTTP_11 => return Err(Refusal::bad_request("no Host header")),
        None => None,
    };
    let Some(target) = request.uri().authority().filter(|target| host.is_none_or(|host| host != target.as_str()))
    else {
        return Ok(named);
    };
    // The target's own counts (RFC 9112 3.2.2).
    let own = HeaderValue::try_from(target.as_str()).map_err(|_| INVALID)?;
    let named = client.hop.host(&own).ok_or(INVALID)?;
    request.headers_mut().insert(header::HOST, own);
    Ok(Some(named))
}

/// Refuses dot segments, also escaped ones: router, plugins and upstream might each read them differently.
fn check_path(path: &str) -> Result<(), Refusal> {
    let is_dots = |segment: &str| {
        let mut rest = segment;
        let mut dots = 0;
        while let Some(after) =
            rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2e")).or_else(|| rest.strip_prefix("%2E"))
        {
            (rest, dots) = (after, dots + 1);
        }
        rest.is_empty() && (1..=2).contains(&dots)
    };
    match path.split(['/', '\\']).any(is_dots) {
        true => Err(Refusal::bad_request("dot segments in the path")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_refused() {
        for path in ["/..", "/a/../b", "/./a", "/%2e%2E/a", "/a/.%2e", "/a\\..\\b"] {
            assert!(check_path(path).is_err(), "{path}");
        }
        for path in ["/", "/...", "/.well-known/x", "/a..b", "/a%2eb/..c", "*"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
    }
}
