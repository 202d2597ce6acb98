//! Does what the header `x-scenario` of the message says: one of what every ABI can say in its own way.

use std::hint::black_box;

use wasm_host_guest::{
    Action, BodyAction, BodyMode, BodyReading, Config, LocalResponse, OnRequest, OnRequestBody, OnResponse, Piece,
    Plugin, Request, Response, Result, export,
};

struct Scenario;

impl Plugin for Scenario {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Scenario {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        match scenario(request).as_str() {
            "add-header" => request.set_header("x-added", "1")?,
            "remove-header" => drop(request.remove_header("x-remove")?),
            "reject" => return Ok(LocalResponse::new(403)?.body("rejected")?.into()),
            "trap" => core::arch::wasm32::unreachable(),
            "loop" => loop {
                black_box(());
            },
            "memory" => loop {
                black_box(vec![1_u8; 1 << 20]).leak();
            },
            _ => {}
        }
        Ok(Action::Continue)
    }
}

impl OnRequestBody for Scenario {
    fn request_body(&self) -> BodyReading {
        BodyMode::Buffer(64 << 10).into()
    }

    fn on_request_body(&mut self, request: &Request<'_>, piece: Piece) -> Result<BodyAction> {
        match scenario(request).as_str() {
            "read-body" => request.set_header("x-body", piece.as_bytes())?,
            "replace-body" => return Ok(BodyAction::replace("replaced".to_owned())),
            _ => {}
        }
        Ok(BodyAction::Pass)
    }
}

impl OnResponse for Scenario {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        if response.header("x-scenario").is_some_and(|scenario| scenario == "set-status") {
            response.set_status(418)?;
        }
        Ok(Action::Continue)
    }
}

fn scenario(request: &Request<'_>) -> String {
    let header = request.header("x-scenario");
    header.as_ref().and_then(|header| header.to_str()).unwrap_or_default().to_owned()
}

export!(Scenario: request, request_body, response);
