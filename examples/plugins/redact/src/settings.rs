use std::collections::BTreeSet;

use serde::Deserialize;
use wasm_host_guest::{Error, Result};

use crate::pattern::{self, Pattern};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(default = "responses")]
    pub(crate) directions: Vec<Direction>,
    /// In lower case.
    #[serde(default)]
    keys: BTreeSet<Key>,
    #[serde(default)]
    patterns: Vec<Pattern>,
    #[serde(default = "default_mask")]
    pub(crate) mask: String,
    #[serde(default)]
    pub(crate) not_json: NotJson,
    #[serde(default = "default_content_types")]
    content_types: Vec<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    Request,
    Response,
}

/// What happens to a line that is not JSON.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NotJson {
    /// It goes on, its patterns masked.
    Pass,
    #[default]
    Drop,
}

/// The name of a member, case aside.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(from = "String")]
struct Key(String);

impl From<String> for Key {
    fn from(name: String) -> Self {
        Self(name.to_lowercase())
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<()> {
        if self.keys.is_empty() && self.patterns.is_empty() {
            return Err(Error::new("neither `keys` nor `patterns` says what a secret is"));
        }
        match self.content_types.iter().find(|kind| !kind.contains('/')) {
            Some(kind) => Err(Error::new(format!("`content_types`: `{kind}` is not a media type"))),
            None => Ok(()),
        }
    }

    /// Whether bodies of this media type are JSON lines.
    pub(crate) fn has_lines(&self, media_type: Option<String>) -> bool {
        media_type.is_some_and(|kind| self.content_types.iter().any(|known| known.eq_ignore_ascii_case(&kind)))
    }

    pub(crate) fn is_secret(&self, key: &str) -> bool {
        self.keys.contains(&Key(key.to_lowercase()))
    }

    /// The text with all that fits a pattern masked; none when nothing does.
    pub(crate) fn mask_text(&self, text: &str) -> Option<String> {
        pattern::mask(text, &self.patterns, &self.mask)
    }
}

fn responses() -> Vec<Direction> {
    vec![Direction::Response]
}

fn default_mask() -> String {
    "[redacted]".to_owned()
}

fn default_content_types() -> Vec<String> {
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"]
        .map(str::to_owned)
        .to_vec()
}
