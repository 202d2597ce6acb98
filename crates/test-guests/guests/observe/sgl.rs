//! Tells what it is given, as a guest of the package `sgl:model-gateway`.

wit_bindgen::generate!({ path: "../../../../wit/foreign/sgl/model-gateway.wit", world: "sgl-model-gateway" });

use exports::sgl::model_gateway::{middleware_on_request, middleware_on_response};
use sgl::model_gateway::middleware_types::{Action, Header, ModifyAction, Request, Response};

include!("sgl_told.rs");
