//! Lets requests to an API pass only with its key: sgl-model-gateway's example of an authentication.

wit_bindgen::generate!({
    path: "../../../../wit/foreign/sgl/model-gateway.wit",
    inline: "package test:guest; world request-only { export sgl:model-gateway/middleware-on-request; }",
    world: "test:guest/request-only",
    generate_all,
});

use exports::sgl::model_gateway::middleware_on_request::{Action, Guest, Request};

const KEY: &str = "secret-api-key-12345";

struct Auth;

impl Guest for Auth {
    fn on_request(request: Request) -> Action {
        let is_api = ["/api", "/v1"].iter().any(|prefix| request.path.starts_with(prefix));
        if !is_api || has_key(&request) { Action::Continue } else { Action::Reject(401) }
    }
}

fn has_key(request: &Request) -> bool {
    request.headers.iter().any(|header| match &*header.name {
        "authorization" => header.value.strip_prefix("Bearer ").is_some_and(|key| key == KEY),
        "x-api-key" => header.value == KEY,
        _ => false,
    })
}

export!(Auth);
