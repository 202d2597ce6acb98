use std::fmt;

use crate::Error;

/// The value of a header: bytes, most often text.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "json", derive(serde::Deserialize), serde(try_from = "String"))]
pub struct HeaderValue(pub(crate) Vec<u8>);

impl HeaderValue {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text, when it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The bytes themselves.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// For a configuration: text that the host would refuse is refused when the plugin is loaded.
impl TryFrom<String> for HeaderValue {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(Error::new(format!("{text:?} is not a header value: it has control characters")));
        }
        Ok(Self(text.into_bytes()))
    }
}

impl AsRef<[u8]> for HeaderValue {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for HeaderValue {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for HeaderValue {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<String> for HeaderValue {
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}
