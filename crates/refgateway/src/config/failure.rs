//! What a config file says about the failures of a plugin.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};
use wasm_host::{FailureClass, Phase};

use super::FailureAction;

/// What the chain does when the plugin fails, for each phase and class of failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnFailure {
    /// In every phase that says nothing else.
    pub actions: FailureActions,
    /// In single phases.
    pub phases: BTreeMap<Phase, FailureActions>,
    /// A response header that names plugin and class in the answer of a closed failure.
    pub expose_header: Option<HeaderName>,
}

/// What the chain does when the plugin fails, for each class of failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureActions {
    /// For every class that is not named.
    pub default: Option<FailureAction>,
    /// For single classes.
    pub classes: BTreeMap<FailureClass, FailureAction>,
}

const DEFAULT: &str = "default";
const EXPOSE_HEADER: &str = "expose_header";

/// The keys that are phases.
const PHASES: [Phase; 4] = [Phase::Request, Phase::RequestBody, Phase::Response, Phase::ResponseBody];

/// Every key, with what it means. Those of a single phase are the first ones.
const KEYS: [(&str, &str); 17] = [
    (DEFAULT, "For every class that is not named."),
    ("trap", "The guest trapped."),
    ("cpu-deadline", "It used too much CPU time."),
    ("wall-deadline", "It took too long."),
    ("memory", "It wanted too much memory."),
    ("saturated", "Too many exchanges at once."),
    ("hostcall", "It passed a bound on hostcalls."),
    ("invalid-output", "What it returned makes no sense."),
    ("body-too-large", "The body is larger than it may read."),
    ("body-encoding", "The content-encoding of the body could not be undone."),
    ("not-loaded", "It could not be loaded."),
    ("guest-error", "It said itself that it failed."),
    ("request", "While the headers of the request are there; before what is said for every phase."),
    ("request-body", "While the body of the request is there; before what is said for every phase."),
    ("response", "While the headers of the response are there; before what is said for every phase."),
    ("response-body", "While the body of the response is there; before what is said for every phase."),
    (EXPOSE_HEADER, "A response header that names plugin and class in the answer of a closed failure."),
];

const NAMES: [&str; KEYS.len()] = {
    let mut names = [""; KEYS.len()];
    let mut index = 0;
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    while index < KEYS.len() {
        names[index] = KEYS[index].0;
        index += 1;
    }
    names
};

/// The keys of a single phase.
const NAMES_OF_A_PHASE: &[&str] = NAMES.split_at(KEYS.len() - PHASES.len() - 1).0;

impl FailureActions {
    /// Takes the value of a key of its own.
    fn take<'de, A: de::MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        known: &'static [&str],
    ) -> Result<(), A::Error> {
        if key == DEFAULT {
            self.default = map.next_value()?;
            return Ok(());
        }
        let class = FailureClass::ALL.into_iter().find(|class| class.as_str() == key);
        let class = class.ok_or_else(|| de::Error::unknown_field(key, known))?;
        if let Some(action) = map.next_value()? {
            self.classes.insert(class, action);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for FailureActions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ActionsVisitor)
    }
}

struct ActionsVisitor;

impl<'de> de::Visitor<'de> for ActionsVisitor {
    type Value = FailureActions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of failure classes to actions")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<FailureActions, A::Error> {
        let mut actions = FailureActions::default();
        while let Some(key) = map.next_key::<String>()? {
            actions.take(&key, &mut map, NAMES_OF_A_PHASE)?;
        }
        Ok(actions)
    }
}

impl<'de> Deserialize<'de> for OnFailure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnFailureVisitor)
    }
}

struct OnFailureVisitor;

impl<'de> de::Visitor<'de> for OnFailureVisitor {
    type Value = OnFailure;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of failure classes and phases to actions")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<OnFailure, A::Error> {
        let mut on_failure = OnFailure::default();
        while let Some(key) = map.next_key::<String>()? {
            if key == EXPOSE_HEADER {
                on_failure.expose_header = map.next_value::<Header>()?.0;
            } else if let Some(phase) = PHASES.into_iter().find(|phase| phase.as_str() == key) {
                on_failure.phases.insert(phase, map.next_value::<Option<_>>()?.unwrap_or_default());
            } else {
                on_failure.actions.take(&key, &mut map, &NAMES)?;
            }
        }
        Ok(on_failure)
    }
}

struct Header(Option<HeaderName>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(Self(None)) };
        name.parse().map(|name| Self(Some(name))).map_err(|_| de::Error::custom("this is not a header name"))
    }
}

impl JsonSchema for FailureActions {
    fn schema_name() -> Cow<'static, str> {
        "FailureActions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let description = "What the chain does when the plugin fails in one phase, for each class of failure.";
        schema(generator, description, NAMES_OF_A_PHASE)
    }
}

impl JsonSchema for OnFailure {
    fn schema_name() -> Cow<'static, str> {
        "OnFailure".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let description = "What the chain does when the plugin fails, for each phase and class of failure.";
        schema(generator, description, &NAMES)
    }
}

/// A map with these keys.
fn schema(generator: &mut SchemaGenerator, description: &str, names: &[&str]) -> Schema {
    let mut properties = Map::new();
    for (name, meaning) in KEYS.into_iter().filter(|(name, _)| names.contains(name)) {
        let value = if name == EXPOSE_HEADER {
            generator.subschema_for::<Option<String>>()
        } else if PHASES.iter().any(|phase| phase.as_str() == name) {
            generator.subschema_for::<Option<FailureActions>>()
        } else {
            generator.subschema_for::<Option<FailureAction>>()
        };
        let mut value = value.to_value();
        if let Value::Object(value) = &mut value {
            value.insert("description".into(), json!(meaning));
        }
        properties.insert(name.to_owned(), value);
    }
    json_schema!({
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_and_phase_has_its_key() {
        for name in
            FailureClass::ALL.iter().map(|class| class.as_str()).chain(PHASES.iter().map(|phase| phase.as_str()))
        {
            assert!(NAMES.contains(&name), "{name}");
        }
        assert_eq!(NAMES.len(), FailureClass::ALL.len() + PHASES.len() + 2);
        assert_eq!(NAMES_OF_A_PHASE.last(), Some(&"guest-error"));
    }

    #[test]
    fn phases_have_actions_of_their_own() {
        let json = br#"{ "default": "open", "trap": "closed", "expose_header": "x-why",
                         "request-body": { "default": "retry-fresh", "body-too-large": { "closed": { "status": 413 } } } }"#;
        let read: OnFailure = crate::config::from_json(json).unwrap();
        assert_eq!(read.actions.default, Some(FailureAction::Open));
        assert_eq!(read.actions.classes, BTreeMap::from([(FailureClass::Trap, FailureAction::default())]));
        assert_eq!(read.expose_header, Some(HeaderName::from_static("x-why")));
        let phase = &read.phases[&Phase::RequestBody];
        assert_eq!(phase.default, Some(FailureAction::RetryFresh));
        assert!(phase.classes.contains_key(&FailureClass::BodyTooLarge));
    }
}
