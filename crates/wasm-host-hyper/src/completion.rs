use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use wasm_host::{Body, BodyError, Exchange, Summary};

/// Ends an exchange when it is dropped, wherever that happens: with the future, because the client left before there was
/// a response, or with the body.
pub(crate) struct Completion {
    exchange: Option<Exchange>,
    /// Whether a plugin wants to know how it went.
    completes: bool,
    started: Instant,
    status: Option<StatusCode>,
    response_start: Option<Duration>,
    request_bytes: Arc<AtomicU64>,
    pub(crate) bytes: u64,
    pub(crate) finished: bool,
}

impl Completion {
    pub(crate) fn new(exchange: Exchange, completes: bool, started: Instant) -> Self {
        Self {
            exchange: Some(exchange),
            completes,
            started,
            status: None,
            response_start: None,
            request_bytes: Arc::default(),
            bytes: 0,
            finished: false,
        }
    }

    /// The exchange, until it has ended.
    pub(crate) fn exchange(&mut self) -> Option<&mut Exchange> {
        self.exchange.as_mut()
    }

    /// The body of the request, counted when a plugin wants to know.
    pub(crate) fn count<B>(&self, body: B) -> Body
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        if !self.completes {
            return Body::new(body);
        }
        Body::new(CountedBody { body: Body::new(body), bytes: Arc::clone(&self.request_bytes) })
    }

    /// The response's headers are on their way. Nothing is left to wait for, unless a plugin wants to know the end.
    pub(crate) fn responded(mut self, status: StatusCode) -> Option<Self> {
        self.status = Some(status);
        self.response_start = Some(self.started.elapsed());
        if self.completes {
            return Some(self);
        }
        if let Some(exchange) = self.exchange.take() {
            exchange.finish();
        }
        None
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        // Without a complete phase the exchange was cancelled: dropping it discards its instances.
        if self.completes {
            exchange.complete_in_background(Summary {
                status: self.status,
                duration: self.started.elapsed(),
                response_start: self.response_start,
                request_bytes: self.request_bytes.load(Relaxed),
                response_bytes: self.bytes,
                finished: self.finished,
            });
        }
    }
}

/// A request body whose bytes are counted.
struct CountedBody {
    body: Body,
    bytes: Arc<AtomicU64>,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.bytes.fetch_add(data.len() as u64, Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
