//! The metadata of a guest, of which no more is read than an exchange keeps.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What the properties of an exchange have room for.
const BYTES: usize = 64 << 10;

/// Reads an object, or nothing in its place.
pub(super) struct MetadataSeed;

impl<'de> DeserializeSeed<'de> for MetadataSeed {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        match (Bounded { left: &mut { BYTES } }).deserialize(from)? {
            Value::Object(members) => Ok(members),
            Value::Null => Ok(Map::new()),
            _ => Err(D::Error::custom("`metadata` is no object")),
        }
    }
}

/// A value that takes no more bytes of JSON than are left.
struct Bounded<'a> {
    left: &'a mut usize,
}

impl Bounded<'_> {
    fn take<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        let left = self.left.checked_sub(bytes);
        *self.left = left.ok_or_else(|| E::custom("`metadata` is more than 64 KiB"))?;
        Ok(())
    }

    fn of<E: Error>(mut self, value: impl Into<Value>) -> Result<Value, E> {
        self.take(1)?;
        Ok(value.into())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.of(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.of(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.of(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.of(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.of(value)
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<Value, E> {
        self.take(text.len())?;
        self.of(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        self.take(2)?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Bounded { left: self.left })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        self.take(2)?;
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.take(key.len() + 3)?;
            map.insert(key, members.next_value_seed(Bounded { left: self.left })?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> Result<Map<String, Value>, String> {
        MetadataSeed.deserialize(&mut serde_json::Deserializer::from_str(json)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_too_much_is_not_read() {
        for part in ["0", "[]", "{}", "[[0],[0]]", r#""aaaaaaaa""#, "null"] {
            let many = format!(r#"{{"a":[{}]}}"#, vec![part; BYTES].join(","));
            let error = read(&many).unwrap_err();
            assert!(error.starts_with("`metadata` is more than 64 KiB"), "{part}: {error}");
        }
        let long = json!({ "a": "b".repeat(BYTES) }).to_string();
        assert!(read(&long).unwrap_err().starts_with("`metadata` is more than 64 KiB"));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_as_it_is(
            texts in proptest::collection::btree_map(".{0,9}", ".{0,9}", 0..9),
            numbers: Vec<i64>,
            fraction in -1e9_f64..1e9,
        ) {
            let given = json!({ "texts": texts, "numbers": numbers, "f": fraction, "n": null, "b": [true, [{}]] });
            prop_assert_eq!(Value::Object(read(&given.to_string()).unwrap()), given);
        }
    }
}
