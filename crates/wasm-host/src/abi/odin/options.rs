//! How a plugin is used: what Odin's `type` of a plugin says, and what is ours.

use serde::Deserialize;

use super::{ID, encoding::BodyEncoding};
use crate::{Error, Phases, Result, abi::AbiOptions};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) body_encoding: BodyEncoding,
    /// Whose responses an aggregation gets.
    pub(super) services: Vec<String>,
}

/// What a plugin is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Request,
    Response,
    Auth,
    RateLimit,
    #[default]
    Middleware,
    Aggregation,
}

impl Options {
    pub(super) fn parse(given: &AbiOptions<'_>) -> Result<Self> {
        let options: Self = given.parse(ID)?;
        let invalid = |reason: &str| Err(Error::AbiOptions { abi: ID, reason: reason.to_owned() });
        match (options.kind, options.services.is_empty()) {
            (Kind::Aggregation, true) => {
                invalid("`type: aggregation` needs `services`, the names of those whose responses it gets")
            }
            (Kind::Aggregation, false) | (_, true) => Ok(options),
            (_, false) => {
                invalid("`services` are for `type: aggregation`; which requests a plugin is for, `match` says")
            }
        }
    }
}

impl Kind {
    /// It sees messages whole, headers and body in one.
    pub(super) fn phases(self) -> Phases {
        Phases {
            request_body: self != Self::Response,
            response_body: matches!(self, Self::Response | Self::Middleware),
            ..Phases::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(given: serde_json::Value) -> Result<Options> {
        Options::parse(&AbiOptions::new(&given))
    }

    #[test]
    fn types_decide_the_phases() {
        for (kind, request_body, response_body) in [
            ("request", true, false),
            ("response", false, true),
            ("auth", true, false),
            ("ratelimit", true, false),
            ("middleware", true, true),
        ] {
            let phases = parse(json!({ "type": kind })).unwrap().kind.phases();
            assert_eq!(phases, Phases { request_body, response_body, ..Phases::default() }, "{kind}");
        }
        assert_eq!(parse(serde_json::Value::Null).unwrap().kind, Kind::Middleware);
        let aggregation = parse(json!({ "type": "aggregation", "services": ["a"] })).unwrap();
        assert_eq!(aggregation.kind.phases(), Phases { request_body: true, ..Phases::default() });
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (given, named) in [
            (json!({ "type": "other" }), "unknown variant `other`"),
            (json!({ "body_encoding": "hex" }), "unknown variant `hex`"),
            (json!({ "kind": "auth" }), "unknown field `kind`"),
            (json!({ "type": "aggregation" }), "needs `services`"),
            (json!({ "services": ["a"] }), "are for `type: aggregation`"),
        ] {
            let error = parse(given).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
