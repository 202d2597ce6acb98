use std::{fmt, str::FromStr};

use crate::Error;

/// The headers that the host edits and no plugin may.
const HOST_MANAGED: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The name of a header that a plugin may edit, in lower case: for a configuration, so that a name which the host would
/// refuse is refused when the plugin is loaded.
///
/// ```
/// use wasm_host_guest::HeaderName;
///
/// assert_eq!("X-Team".parse::<HeaderName>().unwrap().as_str(), "x-team");
/// assert_eq!("a b".parse::<HeaderName>().unwrap_err().to_string(), "`a b` is not a header name");
/// assert_eq!("Host".parse::<HeaderName>().unwrap_err().to_string(), "`host` is managed by the host");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "json", derive(serde::Deserialize), serde(try_from = "String"))]
pub struct HeaderName(String);

impl HeaderName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // A token (RFC 9110 5.6.2).
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || !text.bytes().all(is_token) {
            return Err(Error::new(format!("`{text}` is not a header name")));
        }
        let name = text.to_ascii_lowercase();
        if HOST_MANAGED.contains(&name.as_str()) {
            return Err(Error::new(format!("`{name}` is managed by the host")));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for HeaderName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl AsRef<str> for HeaderName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
