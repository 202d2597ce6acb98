//! Answers 401 unless the request carries the secret, else marks the request: the filter that hosts are measured with.

wit_bindgen::generate!({
    path: "../../../../wit/foreign/sgl/model-gateway.wit",
    inline: "package test:guest; world request-only { export sgl:model-gateway/middleware-on-request; }",
    world: "test:guest/request-only",
    generate_all,
});

use exports::sgl::model_gateway::middleware_on_request::{Action, Guest, Request};
use sgl::model_gateway::middleware_types::{Header, ModifyAction};

struct Filter;

impl Guest for Filter {
    fn on_request(request: Request) -> Action {
        let is_secret = |header: &Header| header.name == "authorization" && header.value == "Bearer secret";
        if !request.headers.iter().any(is_secret) {
            return Action::Reject(401);
        }
        Action::Modify(ModifyAction {
            status: None,
            headers_set: vec![Header { name: "x-plugin".to_owned(), value: "1".to_owned() }],
            headers_add: Vec::new(),
            headers_remove: Vec::new(),
            body_replace: None,
        })
    }
}

export!(Filter);
