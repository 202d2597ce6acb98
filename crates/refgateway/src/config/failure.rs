//! What a config file says about the failures of a plugin.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use http::{HeaderName, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use wasm_host::FailureClass;

/// What the chain does when the plugin fails, for each class of failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OnFailure {
    /// For every class that is not named.
    pub default: FailureAction,
    /// The guest trapped.
    pub trap: Option<FailureAction>,
    /// It used too much CPU time.
    pub cpu_deadline: Option<FailureAction>,
    /// It took too long.
    pub wall_deadline: Option<FailureAction>,
    /// It wanted too much memory.
    pub memory: Option<FailureAction>,
    /// Too many exchanges at once.
    pub saturated: Option<FailureAction>,
    /// It passed a bound on hostcalls.
    pub hostcall: Option<FailureAction>,
    /// What it returned makes no sense.
    pub invalid_output: Option<FailureAction>,
    /// The body is larger than it may read.
    pub body_too_large: Option<FailureAction>,
    /// It could not be loaded.
    pub not_loaded: Option<FailureAction>,
    /// It said itself that it failed.
    pub guest_error: Option<FailureAction>,
    /// A response header that names plugin and class in the answer of a closed failure.
    #[serde(rename = "expose_header", deserialize_with = "header")]
    #[schemars(with = "Option<String>")]
    pub expose_header: Option<HeaderName>,
}

impl OnFailure {
    /// The classes that have an action of their own.
    pub fn classes(&self) -> BTreeMap<FailureClass, FailureAction> {
        let named = [
            (FailureClass::Trap, &self.trap),
            (FailureClass::CpuDeadline, &self.cpu_deadline),
            (FailureClass::WallDeadline, &self.wall_deadline),
            (FailureClass::Memory, &self.memory),
            (FailureClass::Saturated, &self.saturated),
            (FailureClass::Hostcall, &self.hostcall),
            (FailureClass::InvalidOutput, &self.invalid_output),
            (FailureClass::BodyTooLarge, &self.body_too_large),
            (FailureClass::NotLoaded, &self.not_loaded),
            (FailureClass::GuestError, &self.guest_error),
        ];
        named.into_iter().filter_map(|(class, action)| Some((class, action.clone()?))).collect()
    }
}

/// What a chain does when a plugin fails: `closed`, `closed(503)`, `open`, `open+tag`, `open+tag(x-name)` or
/// `retry-fresh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureAction {
    /// Answer with this status, or the one of the class.
    Closed(Option<StatusCode>),
    /// Go on without the plugin.
    Open,
    /// Go on without the plugin and say so in this header.
    OpenTag(HeaderName),
    /// Try once more on a fresh instance, while nothing has been sent.
    RetryFresh,
}

/// The header of `open+tag` without a name.
const TAG: HeaderName = HeaderName::from_static("x-plugin-failure");

impl Default for FailureAction {
    fn default() -> Self {
        Self::Closed(None)
    }
}

impl FailureAction {
    fn parse(text: &str) -> Option<Self> {
        let (word, argument) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((word, argument)) => (word, Some(argument)),
            None => (text, None),
        };
        match (word, argument) {
            ("closed", None) => Some(Self::Closed(None)),
            ("closed", Some(status)) => {
                let status = status.parse::<StatusCode>().ok()?;
                (status.is_client_error() || status.is_server_error()).then_some(Self::Closed(Some(status)))
            }
            ("open", None) => Some(Self::Open),
            ("open+tag", None) => Some(Self::OpenTag(TAG)),
            ("open+tag", Some(name)) => name.parse().ok().map(Self::OpenTag),
            ("retry-fresh", None) => Some(Self::RetryFresh),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for FailureAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ActionVisitor)
    }
}

struct ActionVisitor;

impl de::Visitor<'_> for ActionVisitor {
    type Value = FailureAction;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "`closed`, `closed(STATUS)` with a status from 400 to 599, `open`, `open+tag`, `open+tag(HEADER)` or \
             `retry-fresh`",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FailureAction, E> {
        FailureAction::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Other("text"), &self))
    }
}

impl JsonSchema for FailureAction {
    fn schema_name() -> Cow<'static, str> {
        "FailureAction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "closed, closed(503), open, open+tag, open+tag(x-name) or retry-fresh",
            "pattern": r"^(closed(\([45]\d\d\))?|open|open\+tag(\([!-'*-~]+\))?|retry-fresh|.*\$\{.*)$"
        })
    }
}

fn header<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderName>, D::Error> {
    let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    name.parse().map(Some).map_err(|_| de::Error::custom("this is not a header name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read() {
        let teapot = Some(StatusCode::IM_A_TEAPOT);
        assert_eq!(FailureAction::parse("closed"), Some(FailureAction::Closed(None)));
        assert_eq!(FailureAction::parse("closed(418)"), Some(FailureAction::Closed(teapot)));
        assert_eq!(FailureAction::parse("open"), Some(FailureAction::Open));
        assert_eq!(FailureAction::parse("open+tag"), Some(FailureAction::OpenTag(TAG)));
        assert_eq!(FailureAction::parse("open+tag(x-a)"), Some(FailureAction::OpenTag(HeaderName::from_static("x-a"))));
        assert_eq!(FailureAction::parse("retry-fresh"), Some(FailureAction::RetryFresh));
        for wrong in ["", "close", "closed()", "closed(200)", "closed(1000)", "open()", "open+tag(a b)", "open(1)"] {
            assert_eq!(FailureAction::parse(wrong), None, "{wrong}");
        }
    }
}
