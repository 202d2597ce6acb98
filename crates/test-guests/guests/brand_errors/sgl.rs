//! Gives failures a page of its own: a guest that exports the response's interface only.

wit_bindgen::generate!({
    path: "../../../../wit/foreign/sgl/model-gateway.wit",
    inline: "package test:guest; world response-only { export sgl:model-gateway/middleware-on-response; }",
    world: "test:guest/response-only",
    generate_all,
});

use exports::sgl::model_gateway::middleware_on_response::{Action, Guest, Response};
use sgl::model_gateway::middleware_types::{Header, ModifyAction};

struct BrandErrors;

impl Guest for BrandErrors {
    fn on_response(response: Response) -> Action {
        match response.status {
            502 => Action::Modify(ModifyAction {
                status: Some(503),
                headers_set: vec![Header { name: "content-type".to_owned(), value: "text/plain".to_owned() }],
                headers_add: Vec::new(),
                headers_remove: Vec::new(),
                body_replace: Some(format!("{} headers, {} bytes", response.headers.len(), response.body.len()).into()),
            }),
            504 => Action::Reject(418),
            _ => Action::Continue,
        }
    }
}

export!(BrandErrors);
