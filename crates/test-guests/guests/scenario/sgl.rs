//! Does what the header `x-scenario` of the message says: one of what every ABI can say in its own way, or what is wrong
//! in this one.

wit_bindgen::generate!({ path: "../../../../wit/foreign/sgl/model-gateway.wit", world: "sgl-model-gateway" });

use std::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use exports::sgl::model_gateway::{middleware_on_request, middleware_on_response};
use sgl::model_gateway::middleware_types::{Action, Header, ModifyAction, Request, Response};

struct Scenario;

impl middleware_on_request::Guest for Scenario {
    fn on_request(request: Request) -> Action {
        let mut modify = nothing();
        match value(&request.headers, "x-scenario") {
            "add-header" => modify.headers_set = vec![header("x-added", "1")],
            "remove-header" => modify.headers_remove = vec!["x-remove".to_owned()],
            "read-body" => modify.headers_set = vec![header("x-body", &String::from_utf8_lossy(&request.body))],
            "replace-body" => modify.body_replace = Some("replaced".into()),
            "reject" => return Action::Reject(403),
            "trap" => core::arch::wasm32::unreachable(),
            "loop" => loop {
                black_box(());
            },
            "memory" => loop {
                black_box(vec![1_u8; 1 << 20]).leak();
            },
            "exit" => std::process::exit(1),
            "stack" => {
                let levels = value(&request.headers, "x-levels").parse().unwrap_or(u32::MAX);
                modify.headers_set = vec![header("x-sum", &descend(levels).to_string())];
            }
            "no-utf8" => modify.headers_set = vec![header("x-text", &not_utf8())],
            "bad-name" => modify.headers_set = vec![header("not a name", "1"), header("", "1")],
            "bad-value" => modify.headers_add = vec![header("x-added", "1\r\nx-injected: 1")],
            "host-header" => modify.headers_remove = vec!["host".to_owned()],
            "many-headers" => modify.headers_add = vec![header("x-added", &"1".repeat(1000)); 100],
            "huge-body" => modify.body_replace = Some(vec![b'1'; 5 << 20]),
            _ => return Action::Continue,
        }
        Action::Modify(modify)
    }
}

impl middleware_on_response::Guest for Scenario {
    fn on_response(response: Response) -> Action {
        match value(&response.headers, "x-scenario") {
            "set-status" => Action::Modify(ModifyAction { status: Some(418), ..nothing() }),
            _ => Action::Continue,
        }
    }
}

fn value<'a>(headers: &'a [Header], name: &str) -> &'a str {
    headers.iter().find(|header| header.name == name).map_or("", |header| &header.value)
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
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

/// Calls itself as deep as it is told, through a pointer, so that the compiler makes no loop of it.
fn descend(levels: u32) -> u32 {
    static BELOW: AtomicUsize = AtomicUsize::new(0);

    fn level(levels: u32) -> u32 {
        let below = BELOW.load(Relaxed);
        if levels == 0 || below == 0 {
            return 1;
        }
        // SAFETY: it holds this function and nothing else.
        let below = unsafe { std::mem::transmute::<usize, fn(u32) -> u32>(below) };
        below(levels - 1).rotate_left(1) ^ levels
    }

    BELOW.store(level as *const () as usize, Relaxed);
    level(levels)
}

fn not_utf8() -> String {
    // SAFETY: it is no text, and is looked at by nobody but the host.
    unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) }
}

export!(Scenario);
