//! Changes the status and the headers of responses, by rules.

mod status;

use std::collections::BTreeMap;

use serde::Deserialize;
use status::{Status, Statuses};
use wasm_host_guest::{Action, Config, HeaderName, HeaderValue, OnResponse, Plugin, Response, Result, export};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseTransform {
    rules: Vec<Rule>,
}

/// What to do with a response. Without `status`, with every response.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    status: Option<Statuses>,
    set_status: Option<Status>,
    #[serde(default)]
    rename: BTreeMap<HeaderName, HeaderName>,
    #[serde(default)]
    remove: Vec<HeaderName>,
    #[serde(default)]
    set: BTreeMap<HeaderName, HeaderValue>,
}

impl Plugin for ResponseTransform {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnResponse for ResponseTransform {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        let status = response.status();
        for rule in &self.rules {
            if rule.status.as_ref().is_none_or(|statuses| statuses.contain(status)) {
                rule.apply(response)?;
            }
        }
        Ok(Action::Continue)
    }
}

impl Rule {
    fn apply(&self, response: &Response<'_>) -> Result<()> {
        for (from, to) in &self.rename {
            rename(response, from, to)?;
        }
        for name in &self.remove {
            response.remove_header(name.as_str())?;
        }
        for (name, value) in &self.set {
            response.set_header(name.as_str(), value)?;
        }
        if let Some(Status(status)) = self.set_status {
            response.set_status(status)?;
        }
        Ok(())
    }
}

/// Gives a header another name, with all its values in order. What had that name before is replaced.
fn rename(response: &Response<'_>, from: &HeaderName, to: &HeaderName) -> Result<()> {
    let values = response.header_values(from.as_str());
    if values.is_empty() || from == to {
        return Ok(());
    }
    response.remove_header(to.as_str())?;
    for value in values {
        response.append_header(to.as_str(), value)?;
    }
    response.remove_header(from.as_str())?;
    Ok(())
}

export!(ResponseTransform: response);
