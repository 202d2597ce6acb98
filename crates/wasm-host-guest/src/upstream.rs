//! Choosing where the request goes.

use crate::bindings::imports::wasm_host::plugin::upstream;

pub use upstream::UpstreamError;

/// Sends the request to this service instead of the route's own. Needs the operator's grant, in the request phase.
pub fn choose(service: &str) -> Result<(), UpstreamError> {
    upstream::choose(service)
}
