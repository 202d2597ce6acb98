//! Sending a request again that a server failed, as often as a plugin asked for.

use std::mem;

use http::{Method, Request, Response, StatusCode};

use super::{exchange::Exchange, forward};
use crate::{body::Body, upstream::UpstreamError};

/// Sends the request until a server does not fail it or its retries are used up. Only what can do no harm a second time
/// is sent again: an idempotent method, with a body that is empty or all there.
pub(super) async fn send(
    exchange: &Exchange,
    request: &mut Request<Body>,
    is_upgrade: bool,
) -> Result<Response<Body>, UpstreamError> {
    match exchange.retries() {
        retries @ 1.. if !is_upgrade && is_idempotent(request.method()) => {
            Box::pin(send_again(exchange, request, retries)).await
        }
        _ => forward::send(exchange, request, is_upgrade).await,
    }
}

async fn send_again(
    exchange: &Exchange,
    request: &mut Request<Body>,
    retries: u32,
) -> Result<Response<Body>, UpstreamError> {
    for left in (0..retries).rev() {
        let Some(body) = request.body().try_clone() else { break };
        let (parts, sent_body) = mem::take(request).into_parts();
        *request = Request::from_parts(parts.clone(), body);
        let result = forward::send(exchange, &mut Request::from_parts(parts, sent_body), false).await;
        if !is_failed(&result) || exchange.body_failed() {
            return result;
        }
        let id = exchange.id.to_str().unwrap_or_default();
        tracing::debug!(id, route = exchange.route.name, left, "a server failed the request: it is sent again");
    }
    forward::send(exchange, request, false).await
}

/// RFC 9110 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    method.is_safe() || matches!(*method, Method::PUT | Method::DELETE)
}

fn is_failed(result: &Result<Response<Body>, UpstreamError>) -> bool {
    match result {
        Ok(response) => matches!(
            response.status(),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ),
        Err(UpstreamError::NoResponse(_) | UpstreamError::Handshake(_)) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_idempotent_methods_are_sent_again() {
        assert!([Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE].iter().all(is_idempotent));
        assert!(![Method::POST, Method::PATCH, Method::CONNECT].iter().any(is_idempotent));
    }
}
