use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use serde_json::Value;

use super::{
    Names,
    redact::Redaction,
    secrets::{Secret, SecretError, SecretSource, is_secret_name},
};

/// Texts of a configuration that are shorter than this are words, not secrets.
const SECRET_CHARACTERS: usize = 6;
/// What a value begins with that stands for a secret.
const REFERENCE: &str = "secret://";

/// One place in a plugin's configuration, and what is wrong there. Never holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// Where, as a JSON pointer; empty when the whole configuration is meant.
    pub pointer: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

/// A place in a plugin's configuration that stands for a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretReference {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// The secret's name, which may be none that a secret can have.
    pub name: String,
}

/// Every `secret://name` in a configuration, in its order.
pub fn secret_references(config: &Value) -> Vec<SecretReference> {
    let mut references = Vec::new();
    visit_texts(config, &mut String::new(), &mut |pointer, text| {
        if let Some(name) = text.strip_prefix(REFERENCE) {
            references.push(SecretReference { pointer: pointer.to_owned(), name: name.to_owned() });
        }
    });
    references
}

/// A configuration whose references have become the secrets' values.
pub(crate) struct ResolvedConfig {
    pub(crate) value: Value,
    redact_words: Redaction,
    redact_secrets: Redaction,
}

impl ResolvedConfig {
    /// Puts the values of secrets that are granted in the place of their names. All that is wrong is told at once.
    pub(crate) fn resolve(
        config: Value,
        granted: &Names,
        source: &dyn SecretSource,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut secrets: BTreeMap<String, Secret> = BTreeMap::new();
        let mut problems = Vec::new();
        for SecretReference { pointer, name } in secret_references(&config) {
            let Entry::Vacant(place) = secrets.entry(name) else { continue };
            match look_up(place.key(), granted, source) {
                Ok(secret) => drop(place.insert(secret)),
                Err(message) => problems.push(ConfigProblem { pointer, message }),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let (mut redact_words, mut redact_secrets) = (Redaction::default(), Redaction::default());
        visit_texts(&config, &mut String::new(), &mut |pointer, text| {
            if !text.starts_with(REFERENCE) && text.chars().count() >= SECRET_CHARACTERS {
                redact_words.add(text, &format!("[the value of {pointer}]"));
            }
        });
        for (name, secret) in &secrets {
            let marker = format!("[secret {name}]");
            redact_words.add(secret.expose(), &marker);
            redact_secrets.add(secret.expose(), &marker);
        }
        let mut value = config;
        replace(&mut value, &secrets);
        Ok(Self { value, redact_words, redact_secrets })
    }
}

fn look_up(name: &str, granted: &Names, source: &dyn SecretSource) -> Result<Secret, String> {
    if !is_secret_name(name) {
        return Err(format!("`{REFERENCE}{name}`: {}", SecretError::InvalidName));
    }
    if !granted.contains(name) {
        return Err(format!("the secret `{name}` is not granted to the plugin: `grants.secrets` does not name it"));
    }
    source.resolve(name).map_err(|error| format!("the secret `{name}`: {error}"))
}

/// A plugin's configuration: JSON, and its top-level keys as text for `wasi:config`.
pub(crate) struct PluginConfig {
    json: String,
    entries: Vec<(String, String)>,
    redact_words: Redaction,
    redact_secrets: Redaction,
}

impl PluginConfig {
    pub(crate) fn new(resolved: ResolvedConfig) -> Self {
        let ResolvedConfig { value, redact_words, redact_secrets } = resolved;
        let entries = match &value {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), as_text(value))).collect(),
            _ => Vec::new(),
        };
        Self { json: value.to_string(), entries, redact_words, redact_secrets }
    }

    /// The configuration of a plugin whose guest never sees it.
    pub(crate) fn unused() -> Self {
        let (redact_words, redact_secrets) = (Redaction::default(), Redaction::default());
        Self::new(ResolvedConfig { value: Value::Null, redact_words, redact_secrets })
    }

    /// Whether this configuration would be the same now.
    pub(crate) fn is_current(&self, config: &Value, granted: &Names, source: &dyn SecretSource) -> bool {
        let resolved = ResolvedConfig::resolve(config.clone(), granted, source);
        resolved.is_ok_and(|resolved| self.json == *resolved.value.to_string())
    }

    /// A guest's words, without secrets and the texts of its configuration, which may be secrets and do not belong into a
    /// log: for what a guest did not mean to be read, such as its last words.
    pub(crate) fn redact<'a>(&self, words: &'a str) -> Cow<'a, str> {
        self.redact_words.apply(words)
    }

    /// A guest's words, without secrets: for what it means to be read.
    pub(crate) fn redact_secrets<'a>(&self, words: &'a str) -> Cow<'a, str> {
        self.redact_secrets.apply(words)
    }

    /// Whether there is something for [`redact_secrets`](Self::redact_secrets) to do.
    pub(crate) fn has_secrets(&self) -> bool {
        !self.redact_secrets.is_empty()
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

impl fmt::Debug for PluginConfig {
    /// Never shows the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginConfig").finish_non_exhaustive()
    }
}

fn visit_texts(value: &Value, pointer: &mut String, visit: &mut dyn FnMut(&str, &str)) {
    let length = pointer.len();
    let mut descend = |step: &str, value: &Value| {
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        visit_texts(value, pointer, visit);
        pointer.truncate(length);
    };
    match value {
        Value::String(text) => visit(pointer, text),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| descend(&index.to_string(), value));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| descend(key, value)),
        _ => {}
    }
}

fn replace(value: &mut Value, secrets: &BTreeMap<String, Secret>) {
    match value {
        Value::String(text) => {
            if let Some(secret) = text.strip_prefix(REFERENCE).and_then(|name| secrets.get(name)) {
                secret.expose().clone_into(text);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, secrets)),
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, secrets)),
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
    use crate::capability::secrets::{NoSecrets, SecretMap};

    fn config(value: Value) -> PluginConfig {
        PluginConfig::new(ResolvedConfig::resolve(value, &Names::None, &NoSecrets).ok().unwrap())
    }

    fn secrets() -> SecretMap {
        [("pin", Secret::new("7")), ("key", Secret::new("s3cr3t"))].into_iter().collect()
    }

    #[test]
    fn texts_of_the_config_are_cut_out_of_words() {
        let config = config(json!({ "keys": ["sk-secret", "sk-secret-2"], "mode": "fast", "a/b~": "abcdef" }));
        assert_eq!(
            config.redact("unknown key sk-secret-2, or sk-secret, in fast"),
            "unknown key [the value of /keys/1], or [the value of /keys/0], in fast"
        );
        assert_eq!(config.redact("abcdef"), "[the value of /a~1b~0]");
        assert_eq!(config.redact_secrets("sk-secret"), "sk-secret");
    }

    #[test]
    fn strings_are_plain_and_the_rest_is_json() {
        let named = config(json!({ "name": "a", "list": [1, 2] }));
        assert_eq!(named.get("name"), Some("a"));
        assert_eq!(named.get("list"), Some("[1,2]"));
        assert_eq!(named.get("absent"), None);
        assert_eq!(config(Value::Null).json(), "null");
    }

    #[test]
    fn references_become_values_and_are_cut_out_of_words() {
        let given = json!({ "pin": "secret://pin", "deep": [{ "key": "secret://key" }, "not secret://key"] });
        let resolved = ResolvedConfig::resolve(given.clone(), &Names::All, &secrets()).ok().unwrap();
        let config = PluginConfig::new(resolved);
        let expected = json!({ "pin": "7", "deep": [{ "key": "s3cr3t" }, "not secret://key"] });
        assert_eq!(config.json(), expected.to_string());
        assert_eq!(config.get("pin"), Some("7"));
        assert_eq!(config.redact_secrets("7 or s3cr3t"), "[secret pin] or [secret key]");
        assert_eq!(config.redact("7 or s3cr3t"), "[secret pin] or [secret key]");
        assert!(!format!("{config:?}").contains("s3cr3t"));
        assert!(config.is_current(&given, &Names::All, &secrets()));
        assert!(!config.is_current(&given, &Names::None, &secrets()));
        let rotated = SecretMap::from_iter([("pin", Secret::new("8")), ("key", Secret::new("s3cr3t"))]);
        assert!(!config.is_current(&given, &Names::All, &rotated));
    }

    #[test]
    fn every_secret_that_cannot_be_had_is_named_at_once() {
        let given = json!({ "a": "secret://pin", "b": ["secret://gone", "secret://key"], "c": "secret://../etc" });
        let granted = Names::Only(vec!["pin".into(), "gone".into()]);
        let problems = ResolvedConfig::resolve(given, &granted, &secrets()).err().unwrap();
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "/b/0: the secret `gone`: there is no such secret; looked for it among the host's own",
                "/b/1: the secret `key` is not granted to the plugin: `grants.secrets` does not name it",
                "/c: `secret://../etc`: this is no name of a secret: it has letters, digits, `-`, `_` and `.`, and does \
                 not begin with a `.`",
            ]
        );
    }
}
