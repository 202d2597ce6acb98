//! Values that one plugin of a chain leaves for the later ones. They live as long as the exchange.

use crate::bindings::imports::wasm_host::plugin::properties;

pub use properties::PropertyError;

/// The value of a property.
pub fn get(name: &str) -> Option<Vec<u8>> {
    properties::get(name)
}

/// Sets a property.
pub fn set(name: &str, value: impl AsRef<[u8]>) -> Result<(), PropertyError> {
    properties::set(name, value.as_ref())
}
