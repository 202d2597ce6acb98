//! A query as a map of its parameters.

use std::collections::BTreeMap;

use super::json::{self, Members};

/// Each name once, with its values in their order. As the original has it, a pair with a `;` or with a broken escape is
/// left out.
pub(super) fn write(to: &mut Members<'_>, query: &str) {
    for (name, values) in parameters(query) {
        to.list(&name, values, |to, value| json::text(to, &value));
    }
}

fn parameters(query: &str) -> BTreeMap<String, Vec<String>> {
    let mut parameters = BTreeMap::<String, Vec<String>>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(name), Some(value)) = (unescape(name), unescape(value)) {
            parameters.entry(name).or_default().push(value);
        }
    }
    parameters
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            other => other,
        });
    }
    Some(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_unescaped() {
        let mut json = Vec::new();
        json::object(&mut json, |members| write(members, "b=1&a=x+y&b=2%2f%C3%A9&c&=d&&x;y=1&bad=%4&bad=%zz&e=f=g"));
        let told: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let expected = serde_json::json!({ "a": ["x y"], "b": ["1", "2/\u{e9}"], "c": [""], "": ["d"], "e": ["f=g"] });
        assert_eq!(told, expected);
        assert_eq!(unescape("%ff").as_deref(), Some("\u{fffd}"));
    }

    proptest! {
        #[test]
        fn any_query_is_told_as_json(query: String) {
            let mut json = Vec::new();
            json::object(&mut json, |members| write(members, &query));
            prop_assert!(serde_json::from_slice::<BTreeMap<String, Vec<String>>>(&json).is_ok());
        }

        #[test]
        fn what_was_escaped_comes_back(name: String, value: String) {
            let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
            let parameters = parameters(&format!("{}={}", escape(&name), escape(&value)));
            prop_assert_eq!(parameters, BTreeMap::from([(name, vec![value])]));
        }
    }
}
