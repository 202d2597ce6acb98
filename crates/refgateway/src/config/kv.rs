//! What a config file says about the key-value pairs of plugins.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Size;

/// The namespaces of key-value pairs that a plugin may use; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KvGrants {
    /// Its own, which no other plugin has.
    pub own: KvAccess,
    /// Those of `state.kv_shared`, by name.
    pub shared: BTreeMap<String, KvAccess>,
}

/// What a plugin may do with a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KvAccess {
    /// Nothing.
    #[default]
    None,
    /// Read and list it.
    Read,
    /// Change it too.
    ReadWrite,
}

/// What a namespace may hold. What is absent has the engine's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KvQuota {
    /// Keys.
    pub keys: Option<u64>,
    /// All keys and values together.
    pub bytes: Option<Size>,
    /// One value.
    pub value: Option<Size>,
}
