//! JSON as a tree. It comes in a request, where lines and columns help nobody.

use super::{Key, Node, Position, Value};

const START: Position = Position { line: 1, column: 1 };

pub(super) fn node(json: serde_json::Value) -> Node {
    let value = match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Value::Uint(number),
            (None, Some(number)) => Value::Int(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(node).collect()),
        serde_json::Value::Object(fields) => {
            let entry = |(name, value)| (Key { name, at: START }, node(value));
            Value::Map(fields.into_iter().map(entry).collect())
        }
    };
    Node { value, at: START }
}
