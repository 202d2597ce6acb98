//! What a response says of the cache (RFC 9211).

use wasm_host_guest::{LocalResponse, Result};

/// Why the upstream was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// The cache has no part in such requests, or cannot be used.
    Bypass,
    /// It is neither a GET nor a HEAD.
    Method,
    /// Nothing is kept of what is asked for.
    UriMiss,
    /// Nothing is kept of it for a request with these headers.
    VaryMiss,
    /// What is kept is not for this client.
    Miss,
    /// The client wants a newer one than there is.
    Request,
    /// What is kept is to be renewed.
    Stale,
}

pub(crate) fn forwarded(cache: &str, why: Forwarded, is_stored: bool) -> String {
    let why = match why {
        Forwarded::Bypass => "bypass",
        Forwarded::Method => "method",
        Forwarded::UriMiss => "uri-miss",
        Forwarded::VaryMiss => "vary-miss",
        Forwarded::Miss => "miss",
        Forwarded::Request => "request",
        Forwarded::Stale => "stale",
    };
    format!("{cache}; fwd={why}{}", if is_stored { "; stored" } else { "" })
}

pub(crate) fn hit(cache: &str, is_fresh: bool) -> String {
    format!("{cache}; hit{}", if is_fresh { "" } else { "; detail=stale" })
}

/// The answer to a request that does not want the upstream to be asked (RFC 9111 5.2.1.7).
pub(crate) fn not_cached(cache: &str) -> Result<LocalResponse> {
    let answer = LocalResponse::new(504)?.header("cache-control", "no-store")?;
    Ok(answer.header("cache-status", format!("{cache}; detail=only-if-cached"))?)
}
