//! Appends its configured name to a property, and shows the property in a header.

use serde::Deserialize;
use wasm_host_guest::{Action, Config, OnRequest, OnResponse, Plugin, Request, Response, Result, export, properties};

#[derive(Deserialize)]
struct Share {
    name: String,
    #[serde(default = "trail")]
    property: String,
}

fn trail() -> String {
    "trail".to_owned()
}

impl Plugin for Share {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl Share {
    fn add(&self) -> Result<Vec<u8>> {
        let mut trail = properties::get(&self.property).unwrap_or_default();
        trail.extend_from_slice(self.name.as_bytes());
        properties::set(&self.property, &trail).map_err(|error| wasm_host_guest::Error::new(format!("{error:?}")))?;
        Ok(trail)
    }
}

impl OnRequest for Share {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        request.set_header("x-trail", self.add()?)?;
        Ok(Action::Continue)
    }
}

impl OnResponse for Share {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        response.set_header("x-trail", self.add()?)?;
        Ok(Action::Continue)
    }
}

export!(Share: request, response);
