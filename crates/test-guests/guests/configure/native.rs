//! Wants a configuration with a status, and answers with it.

use serde::Deserialize;
use wasm_host_guest::{Action, Config, LocalResponse, OnRequest, Plugin, Request, Result, export};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configure {
    status: u16,
}

impl Plugin for Configure {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnRequest for Configure {
    fn on_request(&mut self, _: &Request<'_>) -> Result<Action> {
        Ok(LocalResponse::new(self.status)?.into())
    }
}

export!(Configure: request);
