use std::fmt;

pub use crate::bindings::imports::wasm_host::plugin::types::EditError;

/// Why a call failed. Made from any error, so that `?` works on all of them.
pub struct Error(String);

/// The result of a phase.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with this text. The operator reads it, the client does not.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
