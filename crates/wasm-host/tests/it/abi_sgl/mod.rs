//! Guests written for sgl-model-gateway.

mod examples;
mod failures;
mod messages;
mod refused;

use http::{HeaderMap, HeaderValue};

pub(crate) use self::{examples::*, failures::*, messages::*, refused::*};

/// The values of a header.
fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value: &HeaderValue| value.to_str().unwrap().to_owned()).collect()
}
