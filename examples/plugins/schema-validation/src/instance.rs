//! Makes JSON of what is text in a request.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use wasm_host_guest::HeaderValue;

use crate::schema::{Schema, Wanted};

/// The parameters of a query as an object. One that is there once is a text, one that is there more often, or is to be
/// an array, is an array of texts.
pub(crate) fn of_query(query: &str, schema: &Schema) -> Value {
    let mut object = Map::new();
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let wanted = schema.wanted(&name);
        let item = if wanted.array { schema.wanted_items(&name) } else { wanted };
        match object.get_mut(&*name) {
            None if wanted.array => drop(object.insert(name.into_owned(), Value::Array(vec![read(&text, item)]))),
            None => drop(object.insert(name.into_owned(), read(&text, item))),
            Some(Value::Array(values)) => values.push(read(&text, item)),
            Some(first) => *first = Value::Array(vec![first.take(), read(&text, item)]),
        }
    }
    Value::Object(object)
}

/// The headers as an object. Several values of one name are one text with commas, as RFC 9110 5.3 has it.
pub(crate) fn of_headers(headers: Vec<(String, HeaderValue)>, schema: &Schema) -> Value {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let values = joined.entry(name).or_default();
        if !values.is_empty() {
            values.push_str(", ");
        }
        values.push_str(&value);
    }
    let read = |(name, text): (String, String)| {
        let value = read(&text, schema.wanted(&name));
        (name, value)
    };
    Value::Object(joined.into_iter().map(read).collect())
}

/// A text as what is wanted, or as the text it is: then the schema says what is wrong with it.
fn read(text: &str, wanted: Wanted) -> Value {
    let value = match text {
        "true" if wanted.boolean => Some(Value::Bool(true)),
        "false" if wanted.boolean => Some(Value::Bool(false)),
        _ if wanted.number => number(text),
        _ => None,
    };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// A number in the notation of JSON, with nothing around it.
fn number(text: &str) -> Option<Value> {
    let bare =
        text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) && !text.ends_with(char::is_whitespace);
    bare.then(|| serde_json::from_str(text).ok().map(Value::Number)).flatten()
}
