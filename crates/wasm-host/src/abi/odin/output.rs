//! What the guest says: keys match without case, what is missing has the zero value of its type.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::metadata::MetadataSeed;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Output {
    pub(super) modified: bool,
    pub(super) proceeds: bool,
    pub(super) response: Option<GuestResponse>,
    pub(super) error: String,
    pub(super) metadata: Map<String, Value>,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct GuestResponse {
    /// 0: it says none.
    pub(super) status: i64,
    pub(super) headers: BTreeMap<String, Vec<String>>,
    /// As it is encoded.
    pub(super) body: String,
}

/// An object whose keys match without case.
trait Members: Default {
    const EXPECTED: &'static str;

    /// Takes the value of a key, which is in lower case. False: there is no such key, and the value is still to come.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, from: &mut A) -> Result<bool, A::Error>;
}

impl Members for Output {
    const EXPECTED: &'static str = "an object with `modified`, `continue`, `response`, `error` and `metadata`";

    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, from: &mut A) -> Result<bool, A::Error> {
        match key {
            "modified" => self.modified = value_or_zero(from)?,
            // What serde makes of a field whose name Rust keeps for itself.
            "continue" | "continue_" => self.proceeds = value_or_zero(from)?,
            "response" => self.response = from.next_value()?,
            "error" => self.error = value_or_zero(from)?,
            "metadata" => self.metadata = from.next_value_seed(MetadataSeed)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Members for GuestResponse {
    const EXPECTED: &'static str = "an object with `statusCode`, `headers` and `body`";

    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, from: &mut A) -> Result<bool, A::Error> {
        match key {
            "statuscode" => self.status = value_or_zero(from)?,
            "headers" => {
                let headers: BTreeMap<String, Option<Vec<String>>> = value_or_zero(from)?;
                self.headers = headers.into_iter().map(|(name, values)| (name, values.unwrap_or_default())).collect();
            }
            "body" => self.body = value_or_zero(from)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn value_or_zero<'de, A: MapAccess<'de>, T: Deserialize<'de> + Default>(from: &mut A) -> Result<T, A::Error> {
    Ok(from.next_value::<Option<T>>()?.unwrap_or_default())
}

struct MembersVisitor<T>(PhantomData<T>);

impl<'de, T: Members> Visitor<'de> for MembersVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut members = T::default();
        while let Some(mut key) = map.next_key::<String>()? {
            key.make_ascii_lowercase();
            if !members.take(&key, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(members)
    }
}

impl<'de> Deserialize<'de> for Output {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MembersVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for GuestResponse {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MembersVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<Output, serde_json::Error> {
        serde_json::from_str(&value.to_string())
    }

    #[test]
    fn the_whole_is_read() {
        let output = parse(json!({
            "modified": true,
            "continue": true,
            "response": { "statusCode": 201, "headers": { "X-Custom": ["a", "b"] }, "body": "aGk=" },
            "error": "text",
            "metadata": { "key": "value", "deep": [1] },
            "unknown": { "Response": null },
        }));
        let response = GuestResponse {
            status: 201,
            headers: BTreeMap::from([("X-Custom".to_owned(), vec!["a".to_owned(), "b".to_owned()])]),
            body: "aGk=".to_owned(),
        };
        let Value::Object(metadata) = json!({ "key": "value", "deep": [1] }) else { unreachable!() };
        let error = "text".to_owned();
        let expected = Output { modified: true, proceeds: true, response: Some(response), error, metadata };
        assert_eq!(output.unwrap(), expected);
    }

    #[test]
    fn keys_match_without_case() {
        let output = parse(json!({ "MODIFIED": true, "Continue_": true, "rEsponse": { "STATUScode": 204 } })).unwrap();
        assert!(output.modified && output.proceeds);
        assert_eq!(output.response.unwrap().status, 204);
    }

    #[test]
    fn what_is_missing_or_null_is_zero() {
        let null = json!({
            "modified": null, "continue": null, "response": null, "error": null, "metadata": null
        });
        for given in [json!({}), null] {
            assert_eq!(parse(given).unwrap(), Output::default());
        }
        let response = json!({ "statusCode": null, "headers": { "x-a": null }, "body": null });
        let response = parse(json!({ "response": response })).unwrap().response.unwrap();
        assert_eq!((response.status, &response.headers["x-a"], &*response.body), (0, &Vec::new(), ""));
    }

    #[test]
    fn other_types_are_refused() {
        for given in [
            json!(null),
            json!([]),
            json!("text"),
            json!({ "continue": "true" }),
            json!({ "modified": 1 }),
            json!({ "response": [] }),
            json!({ "response": { "statusCode": "200" } }),
            json!({ "response": { "statusCode": 200.5 } }),
            json!({ "response": { "headers": { "a": "b" } } }),
            json!({ "response": { "body": {} } }),
            json!({ "error": {} }),
            json!({ "metadata": "m" }),
        ] {
            let error = parse(given.clone()).unwrap_err();
            assert!(error.is_data(), "{given}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text in "[{}\\[\\]:,\"a-e0-9\\\\ ]{0,40}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                if serde_json::from_slice::<Output>(bytes).is_ok() {
                    prop_assert!(serde_json::from_slice::<Map<String, Value>>(bytes).is_ok());
                }
            }
        }

        #[test]
        fn what_is_well_formed_is_read(
            modified: bool,
            proceeds: bool,
            status in -1_i64..1000,
            headers in proptest::collection::btree_map(".{0,6}", proptest::collection::vec(".{0,6}", 0..3), 0..3),
            body in ".{0,20}",
            error in ".{0,20}",
        ) {
            let given = json!({
                "modified": modified,
                "continue": proceeds,
                "response": { "statusCode": status, "headers": headers.clone(), "body": body.clone() },
                "error": error.clone(),
            });
            let response = Some(GuestResponse { status, headers, body });
            let expected = Output { modified, proceeds, response, error, metadata: Map::new() };
            prop_assert_eq!(parse(given).unwrap(), expected);
        }
    }
}
