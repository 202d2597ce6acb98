//! The headers that are the gateway's own business.

pub(crate) mod forwarded;
pub(crate) mod hop_by_hop;
pub(crate) mod request_id;

use http::{HeaderMap, HeaderValue, Version, header};

/// Adds the gateway to `Via`, with the version the message was received in.
pub(crate) fn add_via(headers: &mut HeaderMap, received: Version) {
    let via = match received {
        Version::HTTP_10 => HeaderValue::from_static("1.0 refgateway"),
        Version::HTTP_2 => HeaderValue::from_static("2 refgateway"),
        _ => HeaderValue::from_static("1.1 refgateway"),
    };
    headers.append(header::VIA, via);
}
