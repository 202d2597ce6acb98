//! Routes the request as its headers say, and answers with the refusal when it may not.

use std::time::Duration;

use wasm_host_guest::{Action, Config, LocalResponse, OnRequest, Plugin, Request, Result, export, upstream};

struct Choose;

impl Plugin for Choose {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Choose {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let number = |name: &str| request.header(name).and_then(|value| value.to_str()?.parse().ok());
        let chosen = match request.header("x-service") {
            Some(service) => upstream::choose(service.to_str().unwrap_or_default()),
            None => Ok(()),
        };
        let timed = number("x-timeout-ms").map_or(Ok(()), |ms| upstream::set_timeout(Duration::from_millis(ms)));
        let retried = number("x-retries").map_or(Ok(()), |retries| upstream::set_retries(retries as u32));
        match chosen.and(timed).and(retried) {
            Ok(()) => Ok(Action::Continue),
            Err(error) => Ok(LocalResponse::new(403)?.body(error.name())?.into()),
        }
    }
}

export!(Choose: request);
