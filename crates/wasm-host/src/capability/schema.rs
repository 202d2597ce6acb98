//! JSON Schemas of plugins' configurations: one that a plugin ships, and one of the operator's.

mod cost;

use std::fmt;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::ConfigProblem;

/// Bytes that the text of a schema may have.
pub(crate) const SCHEMA_BYTES: usize = 128 << 10;
/// Regular expressions in one schema, and bytes that one of them may take when compiled.
const PATTERNS: usize = 100;
const PATTERN_BYTES: usize = 1 << 20;
/// Problems that are told of one configuration, and bytes of what is told of each.
const PROBLEMS: usize = 50;
const MESSAGE_BYTES: usize = 500;
/// The drafts a schema may name in `$schema`; the last one holds where it names none.
const DRAFTS: [&str; 4] = [
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];

/// Whose schema of a plugin's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaOrigin {
    /// The plugin's file has it in a custom section.
    Plugin,
    /// The operator gave it.
    Operator,
}

impl fmt::Display for SchemaOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plugin => "the config schema that it ships",
            Self::Operator => "the operator's config schema",
        })
    }
}

/// A schema that can be used.
pub(crate) struct ConfigSchema {
    schema: Value,
    validator: Validator,
}

impl ConfigSchema {
    /// Takes the text of a schema. An error says why it is none that can be used here.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > SCHEMA_BYTES {
            return Err(too_large(text.len()));
        }
        let schema = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        Self::build(schema)
    }

    /// Takes a schema.
    pub(crate) fn new(schema: Value) -> Result<Self, String> {
        let bytes = schema.to_string().len();
        if bytes > SCHEMA_BYTES { Err(too_large(bytes)) } else { Self::build(schema) }
    }

    fn build(schema: Value) -> Result<Self, String> {
        if let Some(draft) = schema.get("$schema") {
            let known = draft.as_str().map(|draft| draft.trim_end_matches('#'));
            if !known.is_some_and(|draft| DRAFTS.contains(&draft)) {
                return Err(format!("its `$schema` is {draft}; known are {}", DRAFTS.join(", ")));
            }
        }
        let patterns = patterns(&schema);
        if patterns > PATTERNS {
            return Err(format!("it has {patterns} regular expressions; {PATTERNS} are allowed"));
        }
        // Expressions of this engine take time in proportion to the text: a schema cannot make one that hangs.
        let expressions = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        let options = jsonschema::options().offline().with_pattern_options(expressions);
        let validator = options.build(&schema).map_err(|error| match error.instance_path().as_str() {
            "" => shortened(error.to_string()),
            pointer => shortened(format!("{pointer}: {error}")),
        })?;
        Ok(Self { schema, validator })
    }

    /// Everything in a configuration that does not fit, without the values there. An absent configuration counts as an
    /// empty object. Fails when the schema is one that takes too long.
    pub(crate) fn check(&self, config: &Value) -> Result<Vec<ConfigProblem>, String> {
        let empty = Value::Object(serde_json::Map::new());
        let config = if config.is_null() { &empty } else { config };
        cost::bounded(&self.schema, config)?;
        let mut problems: Vec<_> = self.validator.iter_errors(config).map(problem).take(PROBLEMS).collect();
        problems.dedup();
        Ok(problems)
    }
}

/// What is wrong, in words that are the schema's and not the configuration's.
fn problem(error: ValidationError<'_>) -> ConfigProblem {
    let pointer = error.instance_path().as_str().to_owned();
    ConfigProblem { pointer, message: shortened(error.masked_with("the value").to_string()) }
}

fn shortened(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES {
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES));
        text.push('…');
    }
    text
}

pub(crate) fn too_large(bytes: usize) -> String {
    format!("it has {bytes} bytes; {SCHEMA_BYTES} are allowed")
}

/// How many regular expressions a schema has at most.
fn patterns(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(patterns).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let own = match (key.as_str(), value) {
                    ("pattern", Value::String(_)) => 1,
                    ("patternProperties", Value::Object(map)) => map.len(),
                    _ => 0,
                };
                own + patterns(value)
            })
            .sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(schema: Value, config: Value) -> Vec<String> {
        let problems = ConfigSchema::new(schema).ok().unwrap().check(&config).unwrap();
        problems.iter().map(ToString::to_string).collect()
    }

    fn refused(schema: Value) -> String {
        ConfigSchema::new(schema).err().unwrap()
    }

    #[test]
    fn every_problem_is_told_with_its_place_and_without_values() {
        let schema = json!({
            "type": "object",
            "properties": {
                "limit": { "type": "integer", "minimum": 1 },
                "mode": { "enum": ["fast", "safe"] },
                "keys": { "type": "array", "items": { "type": "string", "minLength": 10, "pattern": "^sk-" } },
                "a/b": { "type": "boolean" },
            },
            "required": ["name"],
            "additionalProperties": false,
        });
        let config = json!({ "limit": "s3cr3t", "mode": "s3cr3t", "keys": ["s3cr3t"], "a/b": "s3cr3t", "mod": 1 });
        let mut told = problems(schema, config);
        told.sort();
        assert_eq!(
            told,
            [
                "\"name\" is a required property",
                "/a~1b: the value is not of type \"boolean\"",
                "/keys/0: the value does not match \"^sk-\"",
                "/keys/0: the value is shorter than 10 characters",
                "/limit: the value is not of type \"integer\"",
                "/mode: the value is not one of \"fast\" or \"safe\"",
                "Additional properties are not allowed ('mod' was unexpected)",
            ]
        );
    }

    #[test]
    fn combined_schemas_do_not_show_values_either() {
        let not = |schema: Value| problems(schema, json!("s3cr3t")).join("; ");
        for schema in [
            json!({ "anyOf": [{ "type": "integer" }, { "maxLength": 1 }] }),
            json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }),
            json!({ "not": { "type": "string" } }),
            json!({ "const": "expected" }),
            json!({ "format": "ipv4" }),
            json!({ "allOf": [{ "if": { "type": "string" }, "then": { "type": "integer" } }] }),
            json!(false),
        ] {
            let told = not(schema.clone());
            assert!(!told.contains("s3cr3t"), "{schema}: {told}");
        }
    }

    #[test]
    fn an_absent_config_is_an_empty_one() {
        let schema = json!({ "type": "object", "required": ["a"] });
        assert_eq!(problems(schema, Value::Null), ["\"a\" is a required property"]);
        assert_eq!(problems(json!({ "type": "object" }), Value::Null), [""; 0]);
    }

    #[test]
    fn a_schema_that_is_none_says_why() {
        assert!(
            refused(json!({ "type": "intger" })).starts_with("/type: "),
            "{}",
            refused(json!({ "type": "intger" }))
        );
        assert!(refused(json!({ "pattern": "(" })).contains('('));
        assert!(ConfigSchema::parse("{").err().unwrap().starts_with("it is not JSON: "));
        assert_eq!(
            ConfigSchema::parse(&" ".repeat(SCHEMA_BYTES + 1)).err().unwrap(),
            "it has 131073 bytes; 131072 are allowed"
        );
        let deep = format!("{}{}", "{\"not\":".repeat(10_000), "{}");
        assert!(ConfigSchema::parse(&deep).is_err());
    }

    #[test]
    fn nothing_is_ever_fetched() {
        for reference in ["https://example.com/schema.json", "file:///etc/passwd", "other.json", "urn:x"] {
            let schema = json!({ "properties": { "a": { "$ref": reference } } });
            let refused = match ConfigSchema::new(schema) {
                Err(reason) => reason,
                Ok(schema) => schema.check(&json!({ "a": 1 })).unwrap_err(),
            };
            assert!(!refused.is_empty(), "{reference}");
        }
        let foreign = refused(json!({ "$schema": "https://example.com/my-draft" }));
        assert!(foreign.starts_with("its `$schema` is \"https://example.com/my-draft\"; known are "), "{foreign}");
    }

    #[test]
    fn expressions_are_bounded() {
        let many: serde_json::Map<_, _> =
            (0..=PATTERNS).map(|number| (format!("p{number}"), json!({ "pattern": "a" }))).collect();
        assert_eq!(refused(json!({ "properties": many })), "it has 101 regular expressions; 100 are allowed");
        assert!(!refused(json!({ "pattern": "(?:(?:\\w{100}){100}){100}" })).is_empty());
        let slow = json!({ "pattern": "^(a+)+$" });
        assert_eq!(problems(slow, json!(format!("{}b", "a".repeat(100_000)))).len(), 1);
    }

    #[test]
    fn many_problems_are_cut_short() {
        let schema = json!({ "items": { "type": "string" } });
        assert_eq!(problems(schema, json!(vec![1; 1000])).len(), PROBLEMS);
        let long = problems(json!({ "const": "x".repeat(10_000) }), json!(1));
        assert!(long[0].len() < 600 && long[0].ends_with('…'));
    }
}
