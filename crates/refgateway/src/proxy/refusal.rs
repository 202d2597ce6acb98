//! The responses the gateway makes itself.

use std::borrow::Cow;

use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::{
    body::{self, Body},
    upstream::UpstreamError,
};

/// A status and a short reason, sent as `{"error": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    reason: Cow<'static, str>,
    allow: Option<String>,
}

impl Refusal {
    pub(crate) const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, "no route matches this request");
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    pub(crate) const TOO_LARGE: Self = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the request body is too large");

    pub(crate) const BROKEN: Self = Self::bad_request("the request body is broken");
    pub(crate) const LATE: Self = Self::new(StatusCode::REQUEST_TIMEOUT, "the request body did not arrive in time");
    pub(crate) const CUT: Self = Self::new(StatusCode::FORBIDDEN, "a plugin refused the request body");

    pub(crate) const fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, reason: Cow::Borrowed(reason), allow: None }
    }

    pub(crate) const fn bad_request(reason: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    pub(crate) fn method_not_allowed(allowed: &[Method]) -> Self {
        let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
        Self { allow: Some(names.join(", ")), ..Self::METHOD_NOT_ALLOWED }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let text = serde_json::json!({ "error": self.reason }).to_string();
        let mut response = Response::new(body::full(text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        // Where a client's message ends is no longer sure.
        if matches!(self.status, StatusCode::BAD_REQUEST | StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE)
        {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<&UpstreamError> for Refusal {
    /// The client learns the status and whose fault it is, no more.
    fn from(error: &UpstreamError) -> Self {
        let reason = match error {
            UpstreamError::RequestBroken => return Self::BROKEN,
            UpstreamError::RequestTooLarge => return Self::TOO_LARGE,
            UpstreamError::RequestCut => return Self::CUT,
            UpstreamError::ConnectTimeout | UpstreamError::Timeout => "the upstream did not answer in time",
            UpstreamError::Unforwardable(_) => "the request cannot be forwarded",
            _ => "the upstream cannot be reached",
        };
        Self::new(error.status(), reason)
    }
}
