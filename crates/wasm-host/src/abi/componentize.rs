use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

use crate::{Error, Result};

/// Makes a component of a core module that carries its WIT world, as wit-bindgen leaves it on
/// `wasm32-unknown-unknown` and `wasm32-wasip1`.
pub(crate) fn componentize(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| {
            encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        })
        .map_err(|error| Error::Componentize { reason: format!("{error:#}") })?
        .validate(true);
    encoder.encode().map_err(|error| Error::Componentize { reason: format!("{error:#}") })
}
