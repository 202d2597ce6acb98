//! Lists and maps of a tree, as serde walks them.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, value::StrDeserializer};

use super::{
    Key, Node,
    de::{NodeDeserializer, ReadError},
    path::Segment,
};

/// The items of a list, one after the other.
pub(super) struct Items<'n> {
    items: std::iter::Enumerate<std::slice::Iter<'n, Node>>,
}

impl<'n> Items<'n> {
    pub(super) fn new(items: &'n [Node]) -> Self {
        Self { items: items.iter().enumerate() }
    }
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let item = seed.deserialize(NodeDeserializer { node });
        item.map(Some).map_err(|error| error.at(node.at).under(Segment::Index(index)))
    }
}

/// The entries of a map, one after the other.
pub(super) struct Entries<'n> {
    entries: std::slice::Iter<'n, (Key, Node)>,
    current: Option<&'n (Key, Node)>,
}

impl<'n> Entries<'n> {
    pub(super) fn new(entries: &'n [(Key, Node)]) -> Self {
        Self { entries: entries.iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(&key.name)).map(Some).map_err(|error: ReadError| error.at(key.at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((key, node)) = self.current else {
            return Err(serde::de::Error::custom("a value was asked for before its key"));
        };
        let value = seed.deserialize(NodeDeserializer { node });
        value.map_err(|error| error.at(node.at).under(Segment::Key(key.name.clone())))
    }
}
