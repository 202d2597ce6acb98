//! What a config file says is to be done about a failure.

use std::{borrow::Cow, fmt};

use http::{HeaderName, HeaderValue, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// What a chain does when a plugin fails: `closed`, `closed(503)`, `open`, `open+tag`, `open+tag(x-name)`,
/// `retry-fresh`, or a map with `closed`, for an answer with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureAction {
    /// Answer with this.
    Closed(ClosedAnswer),
    /// Go on without the plugin.
    Open,
    /// Go on without the plugin and say so in this header.
    OpenTag(HeaderName),
    /// Try once more on a fresh instance, while nothing has been sent.
    RetryFresh,
}

/// The answer of a failure that closes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClosedAnswer {
    /// 400 to 599; that of the failure's class when absent.
    #[serde(deserialize_with = "status")]
    #[schemars(with = "Option<u16>", range(min = 400, max = 599))]
    pub status: Option<StatusCode>,
    /// Sent as it is written here; empty when absent.
    pub body: Option<String>,
    /// The type of the body, by default `text/plain; charset=utf-8`.
    #[serde(deserialize_with = "content_type")]
    #[schemars(with = "Option<String>")]
    pub content_type: Option<HeaderValue>,
}

/// The header of `open+tag` without a name.
const TAG: HeaderName = HeaderName::from_static("x-plugin-failure");

impl Default for FailureAction {
    fn default() -> Self {
        Self::Closed(ClosedAnswer::default())
    }
}

impl FailureAction {
    fn parse(text: &str) -> Option<Self> {
        let (word, argument) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((word, argument)) => (word, Some(argument)),
            None => (text, None),
        };
        match (word, argument) {
            ("closed", None) => Some(Self::default()),
            ("closed", Some(status)) => {
                let status = Some(error_status(status.parse().ok()?)?);
                Some(Self::Closed(ClosedAnswer { status, ..ClosedAnswer::default() }))
            }
            ("open", None) => Some(Self::Open),
            ("open+tag", None) => Some(Self::OpenTag(TAG)),
            ("open+tag", Some(name)) => name.parse().ok().map(Self::OpenTag),
            ("retry-fresh", None) => Some(Self::RetryFresh),
            _ => None,
        }
    }
}

fn error_status(number: u64) -> Option<StatusCode> {
    let status = StatusCode::from_u16(number.try_into().ok()?).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(status)
}

impl<'de> Deserialize<'de> for FailureAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ActionVisitor)
    }
}

struct ActionVisitor;

impl<'de> de::Visitor<'de> for ActionVisitor {
    type Value = FailureAction;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "`closed`, `closed(STATUS)` with a status from 400 to 599, `open`, `open+tag`, `open+tag(HEADER)`, \
             `retry-fresh` or a map with `closed`",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FailureAction, E> {
        FailureAction::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Other("text"), &self))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<FailureAction, A::Error> {
        let mut answer = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "closed" {
                return Err(de::Error::unknown_field(&key, &["closed"]));
            }
            answer = Some(map.next_value()?);
        }
        answer.map(FailureAction::Closed).ok_or_else(|| de::Error::missing_field("closed"))
    }
}

impl JsonSchema for FailureAction {
    fn schema_name() -> Cow<'static, str> {
        "FailureAction".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {
                    "type": "string",
                    "description": "closed, closed(503), open, open+tag, open+tag(x-name) or retry-fresh",
                    "pattern": r"^(closed(\([45]\d\d\))?|open|open\+tag(\([!-'*-~]+\))?|retry-fresh|.*\$\{.*)$"
                },
                {
                    "type": "object",
                    "description": "closed, with an answer that has a body",
                    "properties": { "closed": generator.subschema_for::<ClosedAnswer>() },
                    "required": ["closed"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StatusCode>, D::Error> {
    let Some(Status(status)) = Option::deserialize(deserializer)? else { return Ok(None) };
    Ok(Some(status))
}

struct Status(StatusCode);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u16(StatusVisitor)
    }
}

struct StatusVisitor;

impl de::Visitor<'_> for StatusVisitor {
    type Value = Status;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status from 400 to 599")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Status, E> {
        error_status(number).map(Status).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Status, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }
}

fn content_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderValue>, D::Error> {
    let Some(value) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    value.parse().map(Some).map_err(|_| de::Error::custom("this is not a header value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read() {
        let teapot = ClosedAnswer { status: Some(StatusCode::IM_A_TEAPOT), ..ClosedAnswer::default() };
        assert_eq!(FailureAction::parse("closed"), Some(FailureAction::default()));
        assert_eq!(FailureAction::parse("closed(418)"), Some(FailureAction::Closed(teapot)));
        assert_eq!(FailureAction::parse("open"), Some(FailureAction::Open));
        assert_eq!(FailureAction::parse("open+tag"), Some(FailureAction::OpenTag(TAG)));
        assert_eq!(FailureAction::parse("open+tag(x-a)"), Some(FailureAction::OpenTag(HeaderName::from_static("x-a"))));
        assert_eq!(FailureAction::parse("retry-fresh"), Some(FailureAction::RetryFresh));
        for wrong in ["", "close", "closed()", "closed(200)", "closed(1000)", "open()", "open+tag(a b)", "open(1)"] {
            assert_eq!(FailureAction::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_read() {
        let read = |json| crate::config::from_json::<FailureAction>(json).unwrap();
        assert_eq!(read(br#"{ "closed": {} }"#), FailureAction::default());
        let whole = br#"{ "closed": { "status": 503, "body": "sorry", "content_type": "text/html" } }"#;
        let answer = ClosedAnswer {
            status: Some(StatusCode::SERVICE_UNAVAILABLE),
            body: Some("sorry".to_owned()),
            content_type: Some(HeaderValue::from_static("text/html")),
        };
        assert_eq!(read(whole), FailureAction::Closed(answer));
    }
}
