//! Lets every request pass: what a call costs that does nothing.

use wasm_host_guest::{Action, Config, OnRequest, Plugin, Request, Result, export};

struct Empty;

impl Plugin for Empty {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Empty {
    fn on_request(&mut self, _: &Request<'_>) -> Result<Action> {
        Ok(Action::Continue)
    }
}

export!(Empty: request);
