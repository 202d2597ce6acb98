use std::borrow::Cow;

use serde_json::Value;

/// Texts of a configuration that are shorter than this are words, not secrets.
const SECRET_CHARACTERS: usize = 6;

/// A plugin's configuration: JSON, and its top-level keys as text for `wasi:config`.
#[derive(Debug)]
pub(crate) struct PluginConfig {
    json: String,
    entries: Vec<(String, String)>,
    /// Every text in the configuration that may be a secret, with its JSON pointer, the longest first.
    texts: Vec<(String, String)>,
}

impl PluginConfig {
    pub(crate) fn new(config: &Value) -> Self {
        let entries = match config {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), as_text(value))).collect(),
            _ => Vec::new(),
        };
        let mut texts = Vec::new();
        collect_texts(config, "", &mut texts);
        texts.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Self { json: config.to_string(), entries, texts }
    }

    /// A guest's words, with the texts of its configuration, which may be secrets and do not belong into a log, replaced
    /// by where they stand.
    pub(crate) fn redact<'a>(&self, words: &'a str) -> Cow<'a, str> {
        self.texts.iter().fold(Cow::Borrowed(words), |words, (text, pointer)| {
            if !words.contains(text.as_str()) {
                return words;
            }
            Cow::Owned(words.replace(text.as_str(), &format!("[the value of {pointer}]")))
        })
    }

    /// The whole configuration as JSON text.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// One top-level key: a string as it is, anything else as JSON text.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn entries(&self) -> &[(String, String)] {
        &self.entries
    }
}

fn collect_texts(value: &Value, pointer: &str, texts: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) if text.chars().count() >= SECRET_CHARACTERS => {
            texts.push((text.clone(), pointer.to_owned()));
        }
        Value::Array(values) => {
            values
                .iter()
                .enumerate()
                .for_each(|(index, value)| collect_texts(value, &format!("{pointer}/{index}"), texts));
        }
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| collect_texts(value, &format!("{pointer}/{key}"), texts));
        }
        _ => {}
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_of_the_config_are_cut_out_of_words() {
        let config = PluginConfig::new(&json!({ "keys": ["sk-secret", "sk-secret-2"], "mode": "fast" }));
        assert_eq!(
            config.redact("unknown key sk-secret-2, or sk-secret, in fast"),
            "unknown key [the value of /keys/1], or [the value of /keys/0], in fast"
        );
    }

    #[test]
    fn strings_are_plain_and_the_rest_is_json() {
        let config = PluginConfig::new(&json!({ "name": "a", "list": [1, 2] }));
        assert_eq!(config.get("name"), Some("a"));
        assert_eq!(config.get("list"), Some("[1,2]"));
        assert_eq!(config.get("absent"), None);
        assert_eq!(PluginConfig::new(&Value::Null).json(), "null");
    }
}
