//! Answers each message with what its header `x-edit` says, such as `set a=1, add a=2, remove b, status=503, body=text`.

wit_bindgen::generate!({ path: "../../../../wit/foreign/sgl/model-gateway.wit", world: "sgl-model-gateway" });

use exports::sgl::model_gateway::{middleware_on_request, middleware_on_response};
use sgl::model_gateway::middleware_types::{Action, Header, ModifyAction, Request, Response};

struct Edit;

impl middleware_on_request::Guest for Edit {
    fn on_request(request: Request) -> Action {
        edits(&request.headers)
    }
}

impl middleware_on_response::Guest for Edit {
    fn on_response(response: Response) -> Action {
        edits(&response.headers)
    }
}

fn edits(headers: &[Header]) -> Action {
    let Some(edits) = headers.iter().find(|header| header.name == "x-edit") else { return Action::Continue };
    let mut modify = ModifyAction {
        status: None,
        headers_set: Vec::new(),
        headers_add: Vec::new(),
        headers_remove: Vec::new(),
        body_replace: None,
    };
    for edit in edits.value.split(", ") {
        let (what, value) = edit.split_once('=').unwrap_or((edit, ""));
        let header = |name: &str| Header { name: name.to_owned(), value: value.to_owned() };
        match what.split_once(' ').unwrap_or((what, "")) {
            ("set", name) => modify.headers_set.push(header(name)),
            ("add", name) => modify.headers_add.push(header(name)),
            ("remove", name) => modify.headers_remove.push(name.to_owned()),
            ("status", _) => modify.status = value.parse().ok(),
            ("body", _) => modify.body_replace = Some(value.into()),
            ("reject", _) => return Action::Reject(value.parse().unwrap_or_default()),
            _ => {}
        }
    }
    Action::Modify(modify)
}

export!(Edit);
