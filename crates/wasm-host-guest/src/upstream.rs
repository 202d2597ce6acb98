//! Choosing where the request goes, and how long and how often it is tried. In the request phase, each by its grant.

use std::time::Duration;

use crate::bindings::imports::wasm_host::plugin::upstream;

pub use upstream::UpstreamError;

/// Sends the request to this service instead of the route's own.
pub fn choose(service: &str) -> Result<(), UpstreamError> {
    upstream::choose(service)
}

/// How long the response's headers may take, in place of the route's own timeout.
pub fn set_timeout(timeout: Duration) -> Result<(), UpstreamError> {
    upstream::set_timeout(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
}

/// How often the host sends the request again when a server fails it and sending it again can do no harm.
pub fn set_retries(retries: u32) -> Result<(), UpstreamError> {
    upstream::set_retries(retries)
}
