//! Logs what the request's headers say: a message with fields, or `x-messages` of them.

use wasm_host_guest::{
    Action, Config, OnRequest, Plugin, Request, Result, export,
    log::{self, Level},
};

struct WriteLog;

impl Plugin for WriteLog {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for WriteLog {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let number = |name: &str| request.header(name).and_then(|value| value.to_str()?.parse().ok()).unwrap_or(0);
        for message in 0..number("x-messages") {
            log::record(Level::Info, "flood").field("number", message).emit();
        }
        if let Some(path) = request.header("x-path") {
            log::record(Level::Warn, "seen")
                .field("path", "replaced")
                .field("count", 2)
                .field("path", path.to_str().unwrap_or_default())
                .emit();
        }
        if request.header("x-print").is_some() {
            println!("one\ntwo");
            eprintln!("three");
        }
        Ok(Action::Continue)
    }
}

export!(WriteLog: request);
