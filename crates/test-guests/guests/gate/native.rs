//! Lets requests with the configured token pass, and answers the others.

use serde::Deserialize;
use wasm_host_guest::{Action, Config, LocalResponse, OnRequest, Plugin, Request, Result, export};

#[derive(Deserialize)]
struct Gate {
    token: String,
}

impl Plugin for Gate {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnRequest for Gate {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        match request.header("x-token") {
            Some(token) if token == self.token => Ok(Action::Continue),
            _ => Ok(LocalResponse::new(403)?.header("content-type", "text/plain")?.body("closed")?.into()),
        }
    }
}

export!(Gate: request);
