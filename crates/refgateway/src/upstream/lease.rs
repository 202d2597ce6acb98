//! A response body that gives its connection back.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::{body::Incoming, client::conn::http1};

use super::Upstream;
use crate::body::Body;

/// Counts a request as under way on its upstream until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Upstream>);

impl InFlight {
    pub(super) fn new(upstream: Arc<Upstream>) -> Self {
        upstream.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(upstream)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an upstream's response.
///
/// Dropped after its end, it gives an HTTP/1.1 connection back to the pool; dropped before, it closes the connection.
#[derive(Debug)]
pub(super) struct LeasedBody {
    pub(super) body: Incoming,
    pub(super) sender: Option<http1::SendRequest<Body>>,
    pub(super) in_flight: InFlight,
    pub(super) worker: usize,
    pub(super) is_read: bool,
}

impl http_body::Body for LeasedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.is_read |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LeasedBody {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take()
            && (self.is_read || self.body.is_end_stream())
            && let Some(pool) = self.in_flight.0.pools.get(self.worker)
        {
            pool.give_back(sender);
        }
    }
}
