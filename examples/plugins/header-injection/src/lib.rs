//! Sets, appends and removes headers of requests and responses.

mod template;

use serde::Deserialize;
use template::Template;
use wasm_host_guest::{
    Action, Config, HeaderName, OnRequest, OnResponse, Plugin, Request, Response, Result, config_schema, export,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderInjection {
    #[serde(default)]
    request: Vec<Edit>,
    #[serde(default)]
    response: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Edit {
    Set { header: HeaderName, value: Template },
    Append { header: HeaderName, value: Template },
    Remove { header: HeaderName },
}

impl Plugin for HeaderInjection {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnRequest for HeaderInjection {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        for edit in &self.request {
            match edit {
                Edit::Set { header, value } => request.set_header(header.as_str(), value.fill())?,
                Edit::Append { header, value } => request.append_header(header.as_str(), value.fill())?,
                Edit::Remove { header } => drop(request.remove_header(header.as_str())?),
            }
        }
        Ok(Action::Continue)
    }
}

impl OnResponse for HeaderInjection {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        for edit in &self.response {
            match edit {
                Edit::Set { header, value } => response.set_header(header.as_str(), value.fill())?,
                Edit::Append { header, value } => response.append_header(header.as_str(), value.fill())?,
                Edit::Remove { header } => drop(response.remove_header(header.as_str())?),
            }
        }
        Ok(Action::Continue)
    }
}

config_schema!("../schema.json");
export!(HeaderInjection: request, response);
