//! Edits requests and responses in every way there is.

use wasm_host_guest::{Action, Config, OnRequest, OnResponse, Plugin, Request, Response, Result, export};

struct Edit;

impl Plugin for Edit {
    fn configure(_: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl OnRequest for Edit {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        request.set_method("PUT")?;
        request.set_path_with_query("/edited?by=plugin")?;
        request.set_authority("edited.example:8443")?;
        request.set_header("X-Set", "one")?;
        request.append_header("x-many", "last")?;
        let removed = request.remove_header("x-remove")?;
        request.set_header("x-removed", removed.to_string())?;
        request.set_header("x-bytes", [0xff, b'a', b'\t', 0x80])?;
        Ok(Action::Continue)
    }
}

impl OnResponse for Edit {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        if response.status() == 500 {
            response.set_status(503)?;
        }
        response.append_header("set-cookie", "b=2")?;
        response.remove_header("server")?;
        Ok(Action::Continue)
    }
}

export!(Edit: request, response);
