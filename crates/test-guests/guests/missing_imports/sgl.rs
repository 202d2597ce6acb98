//! Imports what the ABI does not have.

wit_bindgen::generate!({
    path: "../../../../wit/foreign/sgl/model-gateway.wit",
    inline: "
        package test:missing;

        interface database {
            read: func(key: string) -> string;
        }

        world guest {
            import database;
            export sgl:model-gateway/middleware-on-request;
        }
    ",
    world: "test:missing/guest",
    generate_all,
});

use exports::sgl::model_gateway::middleware_on_request::{Action, Guest, Request};

struct Missing;

impl Guest for Missing {
    fn on_request(request: Request) -> Action {
        if test::missing::database::read(&request.path).is_empty() { Action::Continue } else { Action::Reject(403) }
    }
}

export!(Missing);
