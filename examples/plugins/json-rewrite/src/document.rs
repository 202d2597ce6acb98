//! A JSON document of which only the objects and arrays are taken apart that an edit goes through. All else stays as it was
//! sent: the order of members, the digits of numbers, spaces.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

pub(crate) enum Node {
    Raw(Box<RawValue>),
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
}

impl From<Box<RawValue>> for Node {
    fn from(json: Box<RawValue>) -> Self {
        Self::Raw(json)
    }
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        // A value is always JSON.
        Self::Raw(serde_json::value::to_raw_value(value).unwrap_or_default())
    }
}

impl Node {
    /// A member of this object or an item of this array. Of members with one name the last counts, as for most readers.
    pub(crate) fn child(&mut self, name: &str) -> Option<&mut Self> {
        match self.open() {
            Self::Object(members) => members.iter_mut().rfind(|(known, _)| known == name).map(|(_, node)| node),
            Self::Array(items) => items.get_mut(index(name)?),
            Self::Raw(_) => None,
        }
    }

    /// As [`child`](Self::child); a member that is not there becomes an empty object.
    pub(crate) fn child_or_new(&mut self, name: &str) -> Option<&mut Self> {
        if let Self::Object(members) = self.open()
            && !members.iter().any(|(known, _)| known == name)
        {
            members.push((name.to_owned(), Self::Object(Vec::new())));
        }
        self.child(name)
    }

    /// Sets a member or an item; `-` is behind the last item. Whether it could be set.
    pub(crate) fn set(&mut self, name: &str, value: Self) -> bool {
        if let Some(node) = self.child(name) {
            *node = value;
            return true;
        }
        match self {
            Self::Object(members) => members.push((name.to_owned(), value)),
            Self::Array(items) if name == "-" => items.push(value),
            Self::Array(_) | Self::Raw(_) => return false,
        }
        true
    }

    /// Removes every member of a name, or an item. Whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        match self.open() {
            Self::Object(members) => {
                let before = members.len();
                members.retain(|(known, _)| known != name);
                members.len() < before
            }
            Self::Array(items) => match index(name).filter(|index| *index < items.len()) {
                Some(index) => {
                    items.remove(index);
                    true
                }
                None => false,
            },
            Self::Raw(_) => false,
        }
    }

    /// Gives a member another name. Whether it was there.
    pub(crate) fn rename(&mut self, name: &str, to: &str) -> bool {
        let Self::Object(members) = self.open() else { return false };
        if name == to || !members.iter().any(|(known, _)| known == name) {
            return false;
        }
        members.retain(|(known, _)| known != to);
        members.iter_mut().filter(|(known, _)| known == name).for_each(|(known, _)| to.clone_into(known));
        true
    }

    pub(crate) fn into_json(self) -> String {
        let mut json = String::new();
        self.write(&mut json);
        json
    }

    fn write(self, out: &mut String) {
        match self {
            Self::Raw(json) => out.push_str(json.get()),
            Self::Object(members) => {
                out.push('{');
                for (number, (name, node)) in members.into_iter().enumerate() {
                    out.push_str(if number == 0 { "" } else { "," });
                    out.push_str(&Value::String(name).to_string());
                    out.push(':');
                    node.write(out);
                }
                out.push('}');
            }
            Self::Array(items) => {
                out.push('[');
                for (number, node) in items.into_iter().enumerate() {
                    out.push_str(if number == 0 { "" } else { "," });
                    node.write(out);
                }
                out.push(']');
            }
        }
    }

    /// Takes the next level apart, if there is one.
    fn open(&mut self) -> &mut Self {
        if let Self::Raw(json) = self {
            let opened = match json.get().as_bytes().first() {
                Some(b'{') => serde_json::from_str::<Members>(json.get()).ok().map(|members| Self::Object(members.0)),
                Some(b'[') => serde_json::from_str::<Vec<Box<RawValue>>>(json.get())
                    .ok()
                    .map(|items| Self::Array(items.into_iter().map(Self::Raw).collect())),
                _ => None,
            };
            if let Some(opened) = opened {
                *self = opened;
            }
        }
        self
    }
}

/// The place that a token of a pointer names in an array (RFC 6901 4).
fn index(token: &str) -> Option<usize> {
    let is_plain = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| is_plain)
}

/// The members of an object, in order.
struct Members(Vec<(String, Node)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, Node::Raw(value)));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
