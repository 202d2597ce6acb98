//! Ticks, and does at the tick that the configuration names what it says.

use std::time::Duration;

use serde::Deserialize;
use wasm_host_guest::{
    Action, Config, Error, LocalResponse, OnRequest, OnTick, Plugin, Request, Result, exchange, export, log,
};

#[derive(Deserialize)]
struct Tick {
    every_ms: u64,
    #[serde(default)]
    act: String,
    #[serde(skip)]
    ticks: u32,
}

impl Plugin for Tick {
    fn configure(config: Config) -> Result<Self> {
        config.parse()
    }
}

impl OnTick for Tick {
    fn interval(&self) -> Duration {
        Duration::from_millis(self.every_ms)
    }

    fn on_tick(&mut self) -> Result<()> {
        self.ticks += 1;
        log::info(&format!("tick {}", self.ticks));
        match self.act.as_str() {
            "loop" => loop {
                std::hint::black_box(());
            },
            "fail" => Err(Error::new("nothing to refresh")),
            "ask" => {
                log::info(&exchange::id());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl OnRequest for Tick {
    fn on_request(&mut self, _: &Request<'_>) -> Result<Action> {
        Ok(LocalResponse::new(200)?.body(self.ticks.to_string())?.into())
    }
}

export!(Tick: request, tick);
