//! What a config file says about the cache of plugins.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Size;

/// What plugins keep that can be had again, in the memory of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Bytes of all entries of all plugins. Default: 64 MiB.
    pub bytes: Option<Size>,
}
