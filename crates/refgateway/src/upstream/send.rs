//! Sending one request to one server.

use std::{mem, sync::Arc};

use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header, uri};

use super::{
    Upstream, UpstreamError,
    connect::{Connect, Sender},
    lease::{InFlight, LeasedBody},
};
use crate::{
    body::{self, Body},
    config::Protocol,
};

/// A connection, before any byte of the request has been sent on it.
#[derive(Debug)]
pub(crate) struct Ready {
    sender: Sender,
    upstream: Arc<Upstream>,
    worker: usize,
    is_upgrade: bool,
    is_kept: bool,
}

impl Upstream {
    /// A kept connection or a new one. Nothing of a request is used up when this fails, so another server may be tried.
    pub(crate) async fn ready(self: &Arc<Self>, worker: usize, is_upgrade: bool) -> Result<Ready, UpstreamError> {
        let kept = self.kept(worker, is_upgrade);
        let is_kept = kept.is_some();
        let sender = match kept {
            Some(sender) => sender,
            // Boxed: the way of every request is not to have room for what few of them do.
            None => Box::pin(self.connect(worker, is_upgrade)).await?,
        };
        Ok(Ready { sender, upstream: self.clone(), worker, is_upgrade, is_kept })
    }

    fn kept(&self, worker: usize, is_upgrade: bool) -> Option<Sender> {
        let pool = self.pools.get(worker)?;
        if is_upgrade { pool.take_http1().map(Sender::Http1) } else { pool.take() }
    }

    async fn connect(&self, worker: usize, is_upgrade: bool) -> Result<Sender, UpstreamError> {
        let tls = self.tls.as_ref().map(|tls| if is_upgrade { &tls.http1 } else { &tls.any });
        let connect = Connect {
            target: &self.settings.target,
            tls,
            protocol: self.settings.protocol,
            timeout: self.settings.connect_timeout,
        };
        let pool = self.pools.get(worker).filter(|pool| !is_upgrade && self.may_speak_h2() && !pool.speaks_http1());
        let Some(pool) = pool else { return connect.run().await };
        let _one_at_a_time = pool.connecting.lock().await;
        if let Some(sender) = pool.take() {
            return Ok(sender);
        }
        let sender = connect.run().await?;
        pool.learn(&sender);
        Ok(sender)
    }

    fn may_speak_h2(&self) -> bool {
        match self.settings.protocol {
            Protocol::Auto => self.settings.target.tls,
            Protocol::Http1 => false,
            Protocol::H2c => true,
        }
    }
}

impl Ready {
    /// The server that it leads to.
    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Sends the request, and takes it for that. A kept connection that turns out to be closed is replaced by another one.
    pub(crate) async fn send(mut self, request: &mut Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let _ = mem::take(request.extensions_mut());
        loop {
            address(request, &self).map_err(UpstreamError::Unforwardable)?;
            let in_flight = InFlight::new(self.upstream.clone());
            let sent = match &mut self.sender {
                Sender::Http1(sender) => sender.try_send_request(mem::take(request)).await,
                Sender::Http2(sender) => sender.try_send_request(mem::take(request)).await,
            };
            match sent {
                Ok(response) => return Ok(self.leased(response, in_flight)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if self.is_kept => *request = unsent,
                    _ => return Err(UpstreamError::NoResponse(error.into_error())),
                },
            }
            self = self.upstream.ready(self.worker, self.is_upgrade).await?;
        }
    }

    fn leased(self, response: Response<hyper::body::Incoming>, in_flight: InFlight) -> Response<Body> {
        // After a 101 the connection belongs to the upgrade.
        let is_kept = response.status() != StatusCode::SWITCHING_PROTOCOLS;
        let sender = match self.sender {
            Sender::Http1(sender) if is_kept => Some(sender),
            _ => None,
        };
        let worker = self.worker;
        response.map(|body| body::boxed(LeasedBody { body, sender, in_flight, worker, is_read: false }))
    }
}

/// Writes URI and version as the connection's protocol wants them: HTTP/2 carries the host in `:authority`.
fn address(request: &mut Request<Body>, ready: &Ready) -> Result<(), http::Error> {
    let mut uri = uri::Parts::default();
    if matches!(ready.sender, Sender::Http2(_)) {
        let target = &ready.upstream.settings.target;
        let authority = match request.headers_mut().remove(header::HOST) {
            Some(host) => uri::Authority::try_from(host.as_bytes())?,
            None => target.authority.clone(),
        };
        uri.scheme = Some(if target.tls { uri::Scheme::HTTPS } else { uri::Scheme::HTTP });
        uri.authority = Some(authority);
        request.headers_mut().remove(header::CONNECTION);
        *request.version_mut() = Version::HTTP_2;
    } else {
        if let Some(authority) = request.uri().authority().filter(|_| !request.headers().contains_key(header::HOST)) {
            let host = HeaderValue::try_from(authority.as_str())?;
            request.headers_mut().insert(header::HOST, host);
        }
        *request.version_mut() = Version::HTTP_11;
        if request.uri().authority().is_none() && request.uri().path_and_query().is_some() {
            return Ok(());
        }
    }
    let path = request.uri().path_and_query().cloned();
    uri.path_and_query = Some(path.unwrap_or_else(|| uri::PathAndQuery::from_static("/")));
    *request.uri_mut() = Uri::from_parts(uri)?;
    Ok(())
}
