//! Tells what it is given, as a guest of the package `smg:gateway`.

wit_bindgen::generate!({ path: "../../../../wit/foreign/sgl/smg.wit", world: "smg" });

use exports::smg::gateway::{middleware_on_request, middleware_on_response};
use smg::gateway::middleware_types::{Action, Header, ModifyAction, Request, Response};

include!("sgl_told.rs");
