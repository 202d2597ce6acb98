use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use wasm_host::{Body, BodyError, Exchange, Summary};

/// Ends an exchange when it is dropped, wherever that happens: with the future, because the client left before there was
/// a response, or with the body.
pub(crate) struct Completion {
    exchange: Option<Exchange>,
    /// None when no plugin wants to know how it went.
    course: Option<Course>,
}

/// How an exchange goes.
struct Course {
    started: Instant,
    request_bytes: Arc<AtomicU64>,
    /// What is known already.
    summary: Summary,
}

impl Completion {
    pub(crate) fn new(exchange: Exchange, completes: bool) -> Self {
        let course = completes.then(|| Course {
            started: Instant::now(),
            request_bytes: Arc::default(),
            summary: Summary::default(),
        });
        Self { exchange: Some(exchange), course }
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
        match &self.course {
            Some(course) => Body::new(CountedBody { body: Body::new(body), bytes: Arc::clone(&course.request_bytes) }),
            None => Body::new(body),
        }
    }

    /// The response's headers are on their way. Nothing is left to wait for, unless a plugin wants to know the end.
    pub(crate) fn responded(mut self, status: StatusCode) -> Option<Self> {
        if let Some(course) = &mut self.course {
            course.summary.status = Some(status);
            course.summary.response_start = Some(course.started.elapsed());
            return Some(self);
        }
        if let Some(exchange) = self.exchange.take() {
            exchange.finish();
        }
        None
    }

    /// Some of the response's body is on its way.
    pub(crate) fn passed(&mut self, bytes: usize) {
        if let Some(course) = &mut self.course {
            course.summary.response_bytes += bytes as u64;
        }
    }

    /// The response's body is over.
    pub(crate) fn ended(mut self, finished: bool) {
        if let Some(course) = &mut self.course {
            course.summary.finished = finished;
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        // Without a complete phase the exchange was cancelled: dropping it discards its instances.
        if let Some(Course { started, request_bytes, summary }) = self.course.take() {
            exchange.complete_in_background(Summary {
                duration: started.elapsed(),
                request_bytes: request_bytes.load(Relaxed),
                ..summary
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
