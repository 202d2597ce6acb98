//! The part of a route that is looked at after host and path.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::Question;
use crate::config::Match;

/// Methods and headers of one route.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) route: usize,
    methods: Vec<Method>,
    headers: Vec<(HeaderName, Option<HeaderValue>)>,
}

impl Rule {
    pub(super) fn new(matches: &Match, route: usize) -> Result<Self, (&'static str, String)> {
        let methods = matches
            .methods
            .iter()
            .map(|method| Method::from_bytes(method.as_bytes()))
            .collect::<Result<_, _>>()
            .map_err(|_| ("methods", "this is not a method".to_owned()))?;
        let headers = matches
            .headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_str(name).ok()?;
                let value = match value.as_str() {
                    "*" => None,
                    value => Some(HeaderValue::from_str(value).ok()?),
                };
                Some((name, value))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| ("headers", "this is not a header".to_owned()))?;
        Ok(Self { route, methods, headers })
    }

    /// Whether the request fits; a method that does not is noted in `allowed`.
    pub(super) fn fits(&self, question: Question<'_>, allowed: &mut Vec<Method>) -> bool {
        if !self.headers.iter().all(|(name, value)| has(question.headers, name, value.as_ref())) {
            return false;
        }
        if self.methods.is_empty() || self.methods.contains(question.method) {
            return true;
        }
        for method in &self.methods {
            if !allowed.contains(method) {
                allowed.push(method.clone());
            }
        }
        false
    }
}

fn has(headers: &HeaderMap, name: &HeaderName, wanted: Option<&HeaderValue>) -> bool {
    match wanted {
        Some(wanted) => headers.get_all(name).iter().any(|value| value == wanted),
        None => headers.contains_key(name),
    }
}
