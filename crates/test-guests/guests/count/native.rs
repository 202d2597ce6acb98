//! Counts the requests its instance has seen, which shows what is shared.

use wasm_host_guest::{Action, Config, LocalResponse, OnRequest, Plugin, Request, Result, export};

struct Count(u32);

impl Plugin for Count {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self(0))
    }
}

impl OnRequest for Count {
    fn on_request(&mut self, _: &Request<'_>) -> Result<Action> {
        self.0 += 1;
        Ok(LocalResponse::new(200)?.body(self.0.to_string())?.into())
    }
}

export!(Count: request);
