//! Wants a configuration with a status, and answers with it. With the status 0 it never gets done configuring.

use serde::Deserialize;
use wasm_host_guest::{Action, Config, LocalResponse, OnRequest, Plugin, Request, Result, export};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configure {
    status: u16,
}

impl Plugin for Configure {
    fn configure(config: Config) -> Result<Self> {
        let configured: Self = config.parse()?;
        while configured.status == 0 {
            std::hint::black_box(());
        }
        Ok(configured)
    }
}

impl OnRequest for Configure {
    fn on_request(&mut self, _: &Request<'_>) -> Result<Action> {
        Ok(LocalResponse::new(self.status)?.into())
    }
}

export!(Configure: request);
