//! Tells what it is given, as a guest of the package `sgl:router`.

wit_bindgen::generate!({ path: "../../../../wit/foreign/sgl/router.wit", world: "sgl-router" });

use exports::sgl::router::{middleware_on_request, middleware_on_response};
use sgl::router::middleware_types::{Action, Header, ModifyAction, Request, Response};

include!("sgl_told.rs");
