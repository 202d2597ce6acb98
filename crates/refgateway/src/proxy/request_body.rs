//! The request body on its way up, as it comes from the client and as it leaves the chain.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use wasm_host::{BodyLate, CutByPlugin};

use super::{
    Refusal,
    exchange::{BodyEnd, Exchange},
};
use crate::body::{self, Body, BoxError};

/// Counts bytes, ends with an error over the limit, and notes for the exchange how it moves on and how it ended.
#[derive(Debug)]
pub(super) struct RequestBody {
    body: Incoming,
    exchange: Arc<Exchange>,
    left: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
#[error("the request body is too large")]
pub(super) struct TooLarge;

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
            Some(Ok(frame)) => {
                self.exchange.moves();
                frame
            }
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

/// Notes for the exchange that a plugin has cut the body: what the upstream makes of it is not the upstream's fault.
#[derive(Debug)]
pub(super) struct CutBody {
    body: Body,
    exchange: Arc<Exchange>,
}

impl CutBody {
    /// The body as it leaves the chain.
    pub(super) fn wrap(body: Body, exchange: Arc<Exchange>) -> Body {
        // What is all there cannot be cut any more, and may be sent twice.
        if body.try_clone().is_some() { body } else { body::boxed(Self { body, exchange }) }
    }
}

impl http_body::Body for CutBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Err(error)) = &frame
            && is_in::<CutByPlugin>(&**error)
        {
            self.exchange.body_ended(BodyEnd::Cut);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Answers a client whose request body broke off with this error while a plugin waited for it.
pub(super) fn refuse_broken(error: &BoxError) -> Refusal {
    if is_in::<TooLarge>(&**error) {
        Refusal::TOO_LARGE
    } else if is_in::<BodyLate>(&**error) {
        Refusal::LATE
    } else if is_in::<CutByPlugin>(&**error) {
        Refusal::CUT
    } else {
        Refusal::BROKEN
    }
}

/// Whether an error of this type is this one or behind it.
fn is_in<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (**error).source()).any(|error| error.is::<E>())
}
