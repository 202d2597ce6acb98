//! Bounds on what a client may send, and on how long anything may take.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Size, Time};

/// Bounds on what a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Request line and headers together; more is answered with 431.
    pub header_bytes: Size,
    /// Number of headers; more is answered with 431.
    pub headers: usize,
    /// Request body; more is answered with 413. Unlimited when absent.
    pub request_body: Option<Size>,
    /// HTTP/2 requests under way on one connection.
    pub streams: u32,
}

/// How long anything may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// From the first byte of a request until its headers are complete; the TLS handshake as well.
    pub headers: Time,
    /// A client connection without a request.
    pub idle: Time,
    /// Until the upstream's response headers are here; then 504. What streams after them is not limited.
    pub request: Time,
    /// Until a connection to an upstream stands; then the next upstream, at last 504.
    pub connect: Time,
    /// An unused connection to an upstream.
    pub upstream_idle: Time,
    /// What requests under way have left on shutdown.
    pub drain: Time,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_bytes: Size::kib(64), headers: 100, request_body: None, streams: 250 }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            headers: Time::seconds(10),
            idle: Time::seconds(75),
            request: Time::seconds(60),
            connect: Time::seconds(5),
            upstream_idle: Time::seconds(55),
            drain: Time::seconds(30),
        }
    }
}
