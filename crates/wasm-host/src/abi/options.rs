use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result};

/// What the operator says about how a guest is used, in the words of its ABI.
pub(crate) struct AbiOptions<'a>(&'a Value);

impl<'a> AbiOptions<'a> {
    pub(crate) const NONE: AbiOptions<'static> = AbiOptions(&Value::Null);

    pub(crate) fn new(given: &'a Value) -> Self {
        Self(given)
    }

    /// The options of an ABI that has some. Nothing said is an empty map.
    pub(crate) fn parse<T: DeserializeOwned>(&self, abi: &'static str) -> Result<T> {
        let given = match self.0 {
            Value::Null => Value::Object(serde_json::Map::new()),
            given => given.clone(),
        };
        serde_json::from_value(given).map_err(|error| Error::AbiOptions { abi, reason: error.to_string() })
    }

    /// For an ABI that has none.
    pub(crate) fn refuse(&self, abi: &'static str) -> Result<()> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct None {}

        self.parse::<None>(abi).map(drop)
    }
}
