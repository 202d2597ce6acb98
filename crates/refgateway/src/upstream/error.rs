//! Why an upstream gave no response.

use http::StatusCode;
use wasm_host::UpstreamFailureKind;

/// Why an upstream gave no response. Its text is for the log; the client sees the status only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] std::io::Error),
    /// No connection in time.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// A connection, but not HTTP.
    #[error("cannot start HTTP: {0}")]
    Handshake(#[source] hyper::Error),
    /// The connection broke before the response.
    #[error("no response: {0}")]
    NoResponse(#[source] hyper::Error),
    /// A switch of protocols that the client did not ask for.
    #[error("the upstream switched protocols unasked")]
    UnaskedUpgrade,
    /// No response in time.
    #[error("no response in time")]
    Timeout,
    /// The client's request body broke off or was malformed.
    #[error("the request body is broken")]
    RequestBroken,
    /// The client's request body is larger than allowed.
    #[error("the request body is too large")]
    RequestTooLarge,
    /// A plugin broke the request body off.
    #[error("a plugin cut the request body")]
    RequestCut,
    /// The request cannot be sent in this form.
    #[error("the request cannot be forwarded: {0}")]
    Unforwardable(#[source] http::Error),
}

impl UpstreamError {
    /// What the client is answered.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Connect(_) | Self::Handshake(_) | Self::NoResponse(_) | Self::UnaskedUpgrade => {
                StatusCode::BAD_GATEWAY
            }
            Self::ConnectTimeout | Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestBroken | Self::Unforwardable(_) => StatusCode::BAD_REQUEST,
            Self::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestCut => StatusCode::FORBIDDEN,
        }
    }

    /// What plugins are told of it.
    pub fn kind(&self) -> UpstreamFailureKind {
        match self {
            Self::Connect(_) => UpstreamFailureKind::Connect,
            Self::ConnectTimeout | Self::Timeout => UpstreamFailureKind::Timeout,
            Self::Handshake(_) | Self::UnaskedUpgrade => UpstreamFailureKind::Protocol,
            Self::NoResponse(_) => UpstreamFailureKind::Reset,
            Self::RequestBroken | Self::RequestTooLarge | Self::RequestCut | Self::Unforwardable(_) => {
                UpstreamFailureKind::Other
            }
        }
    }

    /// The word for it in metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Handshake(_) => "handshake",
            Self::NoResponse(_) => "no_response",
            Self::UnaskedUpgrade => "unasked_upgrade",
            Self::Timeout => "timeout",
            Self::RequestBroken => "request_broken",
            Self::RequestTooLarge => "request_too_large",
            Self::RequestCut => "request_cut",
            Self::Unforwardable(_) => "unforwardable",
        }
    }
}
