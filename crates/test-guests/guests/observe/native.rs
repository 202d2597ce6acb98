//! Looks at everything and changes nothing.

use wasm_host_guest::{
    Action, Config, OnRequest, OnResponse, Plugin, Request, Response, Result, exchange, export, log,
};

struct Observe;

impl Plugin for Observe {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Observe {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        log::info(&format!(
            "{} {} {} {} headers for {:?} via {:?} from {:?} as {}",
            request.method(),
            request.authority().unwrap_or_default(),
            request.path_with_query(),
            request.headers().len(),
            exchange::service(),
            exchange::route(),
            exchange::client_address(),
            exchange::id(),
        ));
        Ok(Action::Continue)
    }
}

impl OnResponse for Observe {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        log::info(&format!("{} {} headers", response.status(), response.headers().len()));
        Ok(Action::Continue)
    }
}

export!(Observe: request, response);
