//! The client's request body on its way up.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::exchange::{BodyEnd, Exchange};
use crate::body::BoxError;

/// Counts bytes, ends with an error over the limit, and notes for the exchange how it ended.
#[derive(Debug)]
pub(super) struct RequestBody {
    body: Incoming,
    exchange: Arc<Exchange>,
    left: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
#[error("the request body is too large")]
struct TooLarge;

impl RequestBody {
    pub(super) fn new(body: Incoming, exchange: Arc<Exchange>, limit: Option<u64>) -> Self {
        Self { body, exchange, left: limit }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.exchange.body_ended(BodyEnd::Broken);
                return Poll::Ready(Some(Err(error.into())));
            }
            None => return Poll::Ready(None),
        };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        if let Some(left) = &mut self.left {
            match left.checked_sub(length) {
                Some(rest) => *left = rest,
                None => {
                    self.exchange.body_ended(BodyEnd::TooLarge);
                    return Poll::Ready(Some(Err(TooLarge.into())));
                }
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
