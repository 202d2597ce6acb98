//! Answers 401 unless the request carries the secret, else marks the request: the filter that hosts are measured with.

use wasm_host_guest::{Action, Config, OnRequest, Plugin, Request, Result, export};

struct Filter;

impl Plugin for Filter {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Filter {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        match request.header("authorization") {
            Some(secret) if secret == "Bearer secret" => {
                request.set_header("x-plugin", "1")?;
                Ok(Action::Continue)
            }
            _ => Action::respond(401),
        }
    }
}

export!(Filter: request);
