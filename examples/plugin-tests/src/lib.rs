//! The example plugins, built from source.

/// An example plugin.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The name of its `.wasm`, without the ending.
    pub name: &'static str,
    /// The `.wasm`.
    pub file: &'static str,
    /// Its source folder.
    pub folder: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/plugins.rs"));
