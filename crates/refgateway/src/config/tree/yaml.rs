//! YAML to [`Node`].

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::{Key, Node, Path, Position, Value};
use crate::config::problem::Problem;

pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    if text.trim().is_empty() {
        return Ok(Node { value: Value::Map(Vec::new()), at: Position { line: 1, column: 1 } });
    }
    // `off` and `no` are names as good as any.
    let options = serde_saphyr::options! { strict_booleans: true };
    match serde_saphyr::from_str_with_options::<Spanned<Yaml>>(text, options) {
        Ok(root) => Ok(node(root)),
        Err(error) => {
            let at = error.location().map(position);
            Err(Problem { path: Path::default(), at, message: describe(error.without_snippet()) })
        }
    }
}

/// The parser's words without the position (the problem has its own) and without the source line, which may hold a secret.
fn describe(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let first_line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let end = first_line.rfind(" at line ").unwrap_or(first_line.len());
    format!("not valid YAML: {}", first_line.get(..end).unwrap_or(first_line))
}

fn position(location: Location) -> Position {
    Position { line: location.line(), column: location.column() }
}

fn node(spanned: Spanned<Yaml>) -> Node {
    Node { at: position(spanned.referenced), value: spanned.value.0 }
}

struct Yaml(Value);

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor).map(Yaml)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Uint(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Yaml>>()? {
            list.push(node(item));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let key = Key { at: position(key.referenced), name: key.value };
            map.push((key, node(entries.next_value::<Spanned<Yaml>>()?)));
        }
        Ok(Value::Map(map))
    }
}
