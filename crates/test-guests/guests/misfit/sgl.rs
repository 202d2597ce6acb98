//! Exports an interface of the name that the ABI has, and of another type.

wit_bindgen::generate!({
    inline: "
        package sgl:router;

        interface middleware-on-request {
            on-request: func(path: string) -> bool;
        }

        world sgl-router {
            export middleware-on-request;
        }
    ",
});

use exports::sgl::router::middleware_on_request::Guest;

struct Misfit;

impl Guest for Misfit {
    fn on_request(path: String) -> bool {
        path.is_empty()
    }
}

export!(Misfit);
