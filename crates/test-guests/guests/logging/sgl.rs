//! Marks requests and converts a status: sgl-model-gateway's example of logging.

wit_bindgen::generate!({ path: "../../../../wit/foreign/sgl/model-gateway.wit", world: "sgl-model-gateway" });

use exports::sgl::model_gateway::{middleware_on_request, middleware_on_response};
use sgl::model_gateway::middleware_types::{Action, Header, ModifyAction, Request, Response};

struct Logging;

impl middleware_on_request::Guest for Logging {
    fn on_request(request: Request) -> Action {
        let set = |name: &str, value: String| Header { name: name.to_owned(), value };
        let mut headers_set = vec![
            set("x-request-id", request.request_id),
            set("x-wasm-processed", "true".to_owned()),
            set("x-processed-at", request.now_epoch_ms.to_string()),
        ];
        if request.path.starts_with("/v1") {
            headers_set.push(set("x-api-route", "true".to_owned()));
        }
        Action::Modify(ModifyAction { headers_set, ..nothing() })
    }
}

impl middleware_on_response::Guest for Logging {
    fn on_response(response: Response) -> Action {
        match response.status {
            500 => Action::Modify(ModifyAction { status: Some(503), ..nothing() }),
            _ => Action::Continue,
        }
    }
}

fn nothing() -> ModifyAction {
    ModifyAction {
        status: None,
        headers_set: Vec::new(),
        headers_add: Vec::new(),
        headers_remove: Vec::new(),
        body_replace: None,
    }
}

export!(Logging);
