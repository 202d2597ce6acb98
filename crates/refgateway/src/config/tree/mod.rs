//! A config file as a tree that remembers where each value stands.
//!
//! YAML and TOML both become a [`Node`]; `${VARIABLES}` are expanded in it, and the typed model is read from it. That
//! order is why a variable's value can never add structure, and why every error knows its line.

mod access;
mod de;
mod expand;
mod json;
mod path;
mod toml;
mod yaml;

pub(crate) use self::{expand::expand, path::Path};

use serde::de::DeserializeOwned;

use super::problem::Problem;

/// A value and where the file has it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Position,
}

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// What both formats can say.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    /// Text in which a variable was replaced: it may also be read as a number or a boolean.
    Expanded(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map and where the file has it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) at: Position,
}

impl Node {
    /// Reads YAML.
    pub(crate) fn from_yaml(text: &str) -> Result<Self, Problem> {
        yaml::parse(text)
    }

    /// Reads TOML.
    pub(crate) fn from_toml(text: &str) -> Result<Self, Problem> {
        toml::parse(text)
    }

    /// The same as JSON.
    pub(crate) fn from_json(json: serde_json::Value) -> Self {
        json::node(json)
    }

    /// Reads the typed model out of the tree; the error names path and position.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        T::deserialize(de::NodeDeserializer { node: self }).map_err(|error| error.into_problem(self.at))
    }

    /// Where `path` stands, or the closest ancestor that is written in the file.
    pub(crate) fn position_of(&self, path: &Path) -> Position {
        let mut node = self;
        let mut at = self.at;
        for segment in path.segments() {
            match node.child(segment) {
                Some((found_at, child)) => (node, at) = (child, found_at),
                None => break,
            }
        }
        at
    }

    fn child(&self, segment: &path::Segment) -> Option<(Position, &Node)> {
        match (&self.value, segment) {
            (Value::Map(entries), path::Segment::Key(name)) => {
                entries.iter().find(|(key, _)| key.name == *name).map(|(key, node)| (key.at, node))
            }
            (Value::List(items), path::Segment::Index(index)) => items.get(*index).map(|node| (node.at, node)),
            _ => None,
        }
    }
}
