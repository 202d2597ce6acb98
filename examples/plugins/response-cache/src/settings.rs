use std::time::Duration;

use serde::Deserialize;
use wasm_host_guest::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// What the cache calls itself in cache-status.
    pub(crate) name: String,
    /// For responses that do not say how long they may be kept.
    #[serde(rename = "default_ttl")]
    default_seconds: Option<u32>,
    pub(crate) max_body: u32,
    pub(crate) store_cookies: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let name = "response-cache".to_owned();
        Self { name, default_seconds: None, max_body: 512 << 10, store_cookies: false }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<()> {
        // A token of RFC 9651 3.3.4.
        let starts_well = self.name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '*');
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
        if !starts_well || !self.name.bytes().all(is_token) {
            return Err(Error::new(format!("`name: {}` is not a token", self.name)));
        }
        if self.max_body == 0 {
            return Err(Error::new("`max_body: 0` keeps nothing"));
        }
        Ok(())
    }

    pub(crate) fn default_ttl(&self) -> Option<Duration> {
        self.default_seconds.map(|seconds| Duration::from_secs(seconds.into()))
    }
}
