/// A plugin's configuration, as the operator wrote it.
#[derive(Debug)]
pub struct Config(String);

impl Config {
    pub(crate) fn new(json: String) -> Self {
        Self(json)
    }

    /// The JSON text; `null` when the operator gave none.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The configuration as a type. An absent configuration is taken as `{}`.
    #[cfg(feature = "json")]
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> crate::Result<T> {
        let json = if self.0 == "null" { "{}" } else { &self.0 };
        serde_json::from_str(json).map_err(Into::into)
    }
}
