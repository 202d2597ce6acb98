//! Bodies of calls within their bounds.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};

use super::{HttpCallError, message::size_of};
use crate::{Body, BodyError};

/// The body of a response: it ends in an error at its bound, or when its time is over. While it lives the call is under way.
pub(super) struct ResponseBody {
    body: Body,
    left: u64,
    limit: u64,
    time: Pin<Box<Sleep>>,
    turn: Option<OwnedSemaphorePermit>,
}

impl ResponseBody {
    pub(super) fn new(body: Body, left: u64, limit: u64, until: Instant, turn: OwnedSemaphorePermit) -> Self {
        Self { body, left, limit, time: Box::pin(tokio::time::sleep_until(until)), turn: Some(turn) }
    }

    /// Nothing comes after this: what the call holds is free.
    fn end(&mut self, error: HttpCallError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.body = Body::empty();
        self.turn = None;
        Poll::Ready(Some(Err(Box::new(error))))
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.turn.is_none() {
            return Poll::Ready(None);
        }
        // Time first: a server that trickles must not go on for ever because there is always a little more.
        if this.time.as_mut().poll(cx).is_ready() {
            return this.end(HttpCallError::Timeout);
        }
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return this.end(error_of(error)),
            None => {
                this.turn = None;
                return Poll::Ready(None);
            }
        };
        match this.left.checked_sub(size(&frame)) {
            Some(left) => this.left = left,
            None => {
                let limit = this.limit;
                return this.end(HttpCallError::ResponseTooLarge(limit));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.turn.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The error of a body as that of its call.
pub(super) fn error_of(error: BodyError) -> HttpCallError {
    match error.downcast::<HttpCallError>() {
        Ok(error) => *error,
        Err(error) => HttpCallError::protocol(error),
    }
}

/// The body of a request that a guest writes: it breaks off at its bound, and `over` tells why.
pub(super) struct RequestBody {
    body: Body,
    left: u64,
    limit: u64,
    over: Arc<AtomicBool>,
}

impl RequestBody {
    pub(super) fn new(body: Body, left: u64, limit: u64) -> (Self, Arc<AtomicBool>) {
        let over = Arc::new(AtomicBool::new(false));
        (Self { body, left, limit, over: Arc::clone(&over) }, over)
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            ended => return Poll::Ready(ended),
        };
        match self.left.checked_sub(size(&frame)) {
            Some(left) => self.left = left,
            None => {
                self.over.store(true, Relaxed);
                return Poll::Ready(Some(Err(Box::new(HttpCallError::RequestTooLarge(self.limit)))));
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

fn size(frame: &Frame<Bytes>) -> u64 {
    let data = frame.data_ref().map_or(0, |data| data.len() as u64);
    data + frame.trailers_ref().map_or(0, size_of)
}
