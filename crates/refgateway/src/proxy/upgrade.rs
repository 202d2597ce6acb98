//! Protocols that take a connection over, such as WebSocket.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::exchange::Exchange;
use crate::{
    body::{self, Body},
    headers::hop_by_hop,
};

/// A client that asked for another protocol.
#[derive(Debug)]
pub(super) struct Upgrade {
    pub(super) protocol: HeaderValue,
    pub(super) downstream: OnUpgrade,
}

impl Upgrade {
    /// Joins the two connections once both have switched. The relay ends when either side does.
    pub(super) fn relay(self, exchange: &Exchange, mut response: Response<Body>) -> Response<Body> {
        let protocol = response.headers_mut().remove(header::UPGRADE).unwrap_or(self.protocol);
        let upstream = hyper::upgrade::on(&mut response);
        // Holding the client keeps a draining worker waiting for the relay.
        let client = Arc::clone(&exchange.client);
        tokio::spawn(async move {
            if let Err(error) = copy(self.downstream, upstream).await {
                tracing::debug!(error = %error, "upgraded connection ended");
            }
            drop(client);
        });

        let (mut parts, _) = response.into_parts();
        hop_by_hop::remove(&mut parts.headers);
        parts.status = StatusCode::SWITCHING_PROTOCOLS;
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, protocol);
        Response::from_parts(parts, body::empty())
    }
}

async fn copy(downstream: OnUpgrade, upstream: OnUpgrade) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (downstream, upstream) = tokio::try_join!(downstream, upstream)?;
    tokio::io::copy_bidirectional(&mut TokioIo::new(downstream), &mut TokioIo::new(upstream)).await?;
    Ok(())
}
