//! TOML to [`Node`].

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Key, Node, Path, Position, Value};
use crate::config::problem::Problem;

pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let lines = Lines { text };
    let root = DeTable::parse(text).map_err(|error| Problem {
        path: Path::default(),
        at: error.span().map(|span| lines.position(span.start)),
        message: format!("not valid TOML: {}", error.message()),
    })?;
    let at = Position { line: 1, column: 1 };
    Ok(Node { value: table(&lines, root.get_ref())?, at })
}

struct Lines<'t> {
    text: &'t str,
}

impl Lines<'_> {
    fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() as u64 + 1,
            column: before.len().saturating_sub(line_start) as u64 + 1,
        }
    }
}

fn table(lines: &Lines<'_>, table: &DeTable<'_>) -> Result<Value, Problem> {
    let mut entries = Vec::new();
    for (key, child) in table.iter() {
        let key = Key { name: key.get_ref().to_string(), at: lines.position(key.span().start) };
        entries.push((key, node(lines, child)?));
    }
    Ok(Value::Map(entries))
}

fn node(lines: &Lines<'_>, spanned: &Spanned<DeValue<'_>>) -> Result<Node, Problem> {
    let at = lines.position(spanned.span().start);
    let out_of_range =
        || Problem { path: Path::default(), at: Some(at), message: "this number is out of range".to_owned() };
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            Value::Int(i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| out_of_range())?)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().map_err(|_| out_of_range())?),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(lines, item)).collect::<Result<_, _>>()?),
        DeValue::Table(entries) => table(lines, entries)?,
    };
    Ok(Node { value, at })
}
