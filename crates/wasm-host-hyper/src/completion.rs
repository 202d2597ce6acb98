use std::time::Instant;

use http::StatusCode;
use wasm_host::{Exchange, Summary};

/// Ends an exchange when it is dropped, wherever that happens: with the future, because the client left before there was
/// a response, or with the body.
pub(crate) struct Completion {
    exchange: Option<Exchange>,
    /// Whether a plugin wants to know how it went.
    completes: bool,
    started: Instant,
    status: Option<StatusCode>,
    pub(crate) bytes: u64,
    pub(crate) finished: bool,
}

impl Completion {
    pub(crate) fn new(exchange: Exchange, completes: bool, started: Instant) -> Self {
        Self { exchange: Some(exchange), completes, started, status: None, bytes: 0, finished: false }
    }

    /// The exchange, until it has ended.
    pub(crate) fn exchange(&mut self) -> Option<&mut Exchange> {
        self.exchange.as_mut()
    }

    /// The response's headers are on their way. Nothing is left to wait for, unless a plugin wants to know the end.
    pub(crate) fn responded(mut self, status: StatusCode) -> Option<Self> {
        self.status = Some(status);
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
                response_bytes: self.bytes,
                finished: self.finished,
            });
        }
    }
}
