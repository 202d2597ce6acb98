//! Measures each request, and floods its host with series when asked to.

use wasm_host_guest::{Action, Config, OnRequest, Plugin, Request, Result, export, log, metrics};

struct Measure;

impl Plugin for Measure {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Measure {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        if let Err(error) = metrics::count("requests_total", &[("method", &request.method())], 1) {
            log::info(&format!("count: {}", error.message()));
            return Ok(Action::Continue);
        }
        metrics::set_gauge("level", &[], 0.25)?;
        metrics::observe("path_bytes", &[], request.path().len() as f64)?;
        if request.header("x-flood").is_some() {
            for user in 0..1000 {
                metrics::count("by_user_total", &[("user", &user.to_string())], 1)?;
            }
        }
        Ok(Action::Continue)
    }
}

export!(Measure: request);
