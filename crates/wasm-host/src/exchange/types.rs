use std::{sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};

use crate::{Body, BodyError, Outcome, Phase};

/// What the request phase came to.
#[derive(Debug)]
pub enum RequestOutcome {
    /// Send this request to the upstream.
    Continue(Request<Body>),
    /// Do not send it. This is the answer, to be passed to
    /// [`Exchange::on_response`](crate::Exchange::on_response).
    Respond(Response<Body>),
    /// The client's body broke off while a plugin waited for it. The exchange is over.
    BodyFailed(BodyError),
}

/// What the error phase came to.
#[derive(Debug)]
pub enum ErrorOutcome {
    /// No plugin has an answer: the host answers.
    Unanswered,
    /// This is the answer, to be passed to [`Exchange::on_response`](crate::Exchange::on_response).
    Respond(Response<Body>),
    /// Send this request, the one that failed, once more. [`Exchange::routing`](crate::Exchange::routing)
    /// says where to.
    Retry(Request<Body>),
}

/// What one plugin did in one phase, for an access log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Decision {
    /// The plugin.
    pub plugin: Arc<str>,
    /// The phase.
    pub phase: Phase,
    /// What came of it.
    pub outcome: Outcome,
    /// Calls: one, or one for each piece of a body.
    pub calls: u64,
    /// How long they took together.
    pub duration: Duration,
}

/// Why no response could be had from the upstream.
#[derive(Clone, Debug)]
pub struct UpstreamFailure {
    /// The service that failed.
    pub service: Option<Arc<str>>,
    /// How.
    pub kind: UpstreamFailureKind,
    /// What happened, for a log.
    pub message: String,
    /// The status that the host is about to send.
    pub status: StatusCode,
}

/// How an upstream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamFailureKind {
    /// No connection could be made.
    Connect,
    /// It did not answer in time.
    Timeout,
    /// The connection broke before the response's headers were there.
    Reset,
    /// What it sent is not HTTP.
    Protocol,
    /// It answered, with a status of 500 to 599.
    Status,
    /// Anything else.
    Other,
}

impl UpstreamFailureKind {
    /// The name in logs and towards guests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Other => "other",
        }
    }
}

/// How an exchange went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// The status the client got.
    pub status: Option<StatusCode>,
    /// From the request's arrival to the end.
    pub duration: Duration,
    /// From the request's arrival to the response's headers.
    pub response_start: Option<Duration>,
    /// Bytes of the request body that were read from the client.
    pub request_bytes: u64,
    /// Bytes of the response body that were handed to the client's connection.
    pub response_bytes: u64,
    /// Whether the response body reached its end.
    pub finished: bool,
}

/// What the complete phase is told.
pub(crate) struct ExchangeEnd {
    pub(crate) summary: Summary,
    pub(crate) decisions: Vec<Decision>,
}

/// What the error phase is told.
#[derive(Clone, Debug)]
pub(crate) struct GuestFailure {
    pub(crate) service: Option<Arc<str>>,
    pub(crate) plugin: Option<Arc<str>>,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) status: StatusCode,
    pub(crate) attempts: u32,
    pub(crate) retryable: bool,
}
