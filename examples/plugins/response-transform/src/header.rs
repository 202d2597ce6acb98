//! What the host would refuse in a request is refused when the plugin is loaded.

use serde::Deserialize;

/// The headers that the host edits and no plugin may, as the WIT package lists them.
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

/// The name of a header that a plugin may edit, in lower case.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = http::HeaderName::try_from(&text).map_err(|_| format!("`{text}` is not a header name"))?;
        if HOST_MANAGED.contains(&name.as_str()) {
            return Err(format!("`{name}` is managed by the host"));
        }
        Ok(Self(name.as_str().to_owned()))
    }
}

/// The value of a header.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Value(String);

impl Value {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Value {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match http::HeaderValue::from_str(&text) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(format!("{text:?} is not a header value: it has control characters")),
        }
    }
}
