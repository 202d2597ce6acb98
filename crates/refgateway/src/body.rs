//! Shorthands for the one body type inside the proxy.

use bytes::Bytes;

pub use wasm_host::{Body, BodyError as BoxError};

/// A body without a byte.
pub fn empty() -> Body {
    Body::empty()
}

/// A body that is already whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Body::from(bytes)
}

/// Any other body.
pub fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Body::new(body)
}
