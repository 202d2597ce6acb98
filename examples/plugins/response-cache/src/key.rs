//! Under which keys responses are kept: a target's own key has what its responses vary by, and the response to one request
//! has a key of its own (RFC 9111 4.1).

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::headers::Headers;

/// The key of what is asked for. A HEAD asks for the same as a GET.
pub(crate) fn target(scheme: &str, authority: &str, path: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    key("target", [scheme.as_bytes(), authority.as_bytes(), path.as_bytes()].into_iter().map(Some))
}

/// What a target has responses for.
#[derive(Deserialize, Serialize)]
pub(crate) struct Variants {
    /// A target that is forgotten and kept again has another: what it had before stays forgotten.
    pub(crate) generation: u64,
    /// When the last of its responses goes; milliseconds since 1970.
    pub(crate) until: u64,
    /// The request headers that make a difference.
    names: Vec<String>,
}

impl Variants {
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let generation = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        Self { generation, until: 0, names: Vec::new() }
    }

    /// Responses that differ in what they vary by must not hide each other: they get the names of all.
    pub(crate) fn add(&mut self, names: Vec<String>) {
        self.names.extend(names);
        self.names.sort_unstable();
        self.names.dedup();
    }

    /// The key of the response to this request.
    pub(crate) fn key(&self, target: &str, request: &Headers) -> String {
        let generation = self.generation.to_be_bytes();
        let values: Vec<_> = self.names.iter().map(|name| request.has(name).then(|| request.list(name))).collect();
        let names = self
            .names
            .iter()
            .zip(&values)
            .flat_map(|(name, value)| [Some(name.as_bytes()), value.as_ref().map(|value| value.trim().as_bytes())]);
        key("response", [Some(target.as_bytes()), Some(generation.as_slice())].into_iter().chain(names))
    }
}

/// The request headers that a response varies by; none when by more than those.
pub(crate) fn vary(response: &Headers) -> Option<Vec<String>> {
    let list = response.list("vary");
    let names = list.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty());
    let names: Vec<_> = names.collect();
    (!names.iter().any(|name| name == "*")).then_some(names)
}

/// A digest, so that a key is short whatever it is made of, and none can be made to be that of another.
fn key<'a>(kind: &str, parts: impl Iterator<Item = Option<&'a [u8]>>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        // A part that is missing differs from one that is empty.
        digest.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        digest.update(part.unwrap_or_default());
    }
    let mut key = format!("{kind}:");
    for byte in digest.finalize() {
        key.push_str(&format!("{byte:02x}"));
    }
    key
}
