//! What a config file says about secrets.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Where one secret is: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretPlace {
    /// In this environment variable.
    pub env: Option<String>,
    /// In this file, which is read again when it changes; one line end at its end does not count.
    pub file: Option<PathBuf>,
}

impl SecretPlace {
    /// What is wrong with it, if anything is.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let places = usize::from(self.env.is_some()) + usize::from(self.file.is_some());
        (places != 1).then_some("give one of `env` and `file`")
    }
}
