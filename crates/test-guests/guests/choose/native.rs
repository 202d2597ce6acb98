//! Chooses the service that the header `x-service` names, and answers with the refusal when it may not.

use wasm_host_guest::{Action, Config, LocalResponse, OnRequest, Plugin, Request, Result, export, upstream};

struct Choose;

impl Plugin for Choose {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Choose {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let Some(service) = request.header("x-service") else { return Ok(Action::Continue) };
        match upstream::choose(service.to_str().unwrap_or_default()) {
            Ok(()) => Ok(Action::Continue),
            Err(error) => Ok(LocalResponse::new(403)?.body(error.name())?.into()),
        }
    }
}

export!(Choose: request);
