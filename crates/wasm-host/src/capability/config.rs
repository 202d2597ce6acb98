use serde_json::Value;

/// A plugin's configuration: JSON, and its top-level keys as text for `wasi:config`.
#[derive(Debug)]
pub(crate) struct PluginConfig {
    json: String,
    entries: Vec<(String, String)>,
}

impl PluginConfig {
    pub(crate) fn new(config: &Value) -> Self {
        let entries = match config {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), as_text(value))).collect(),
            _ => Vec::new(),
        };
        Self { json: config.to_string(), entries }
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
    fn strings_are_plain_and_the_rest_is_json() {
        let config = PluginConfig::new(&json!({ "name": "a", "list": [1, 2] }));
        assert_eq!(config.get("name"), Some("a"));
        assert_eq!(config.get("list"), Some("[1,2]"));
        assert_eq!(config.get("absent"), None);
        assert_eq!(PluginConfig::new(&Value::Null).json(), "null");
    }
}
