//! Answers of the admin API.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::body::{self, Body};

/// A status with JSON, or text for what is not.
pub(super) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    extra: Option<Box<(header::HeaderName, HeaderValue)>>,
}

impl Reply {
    pub(super) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::ok("application/json", text),
            Err(error) => Self::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    pub(super) fn text(content_type: &'static str, text: String) -> Self {
        Self::ok(content_type, text)
    }

    pub(super) fn binary(bytes: Bytes) -> Self {
        Self::ok("application/octet-stream", bytes)
    }

    fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type, body: body.into(), extra: None }
    }

    pub(super) fn error(status: StatusCode, reason: &str) -> Self {
        Self::ok("application/json", serde_json::json!({ "error": reason }).to_string()).with_status(status)
    }

    pub(super) fn not_found(path: &str) -> Self {
        Self::error(StatusCode::NOT_FOUND, &format!("there is no {path}"))
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let reply = Self::error(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allow}"));
        reply.with_header(header::ALLOW, allow)
    }

    pub(super) fn unauthorized() -> Self {
        let reply = Self::error(StatusCode::UNAUTHORIZED, "a valid token is needed: Authorization: Bearer …");
        reply.with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) fn with_header(self, name: header::HeaderName, value: &'static str) -> Self {
        Self { extra: Some(Box::new((name, HeaderValue::from_static(value)))), ..self }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(body::full(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.extra.map(|extra| *extra) {
            headers.insert(name, value);
        }
        response
    }
}
