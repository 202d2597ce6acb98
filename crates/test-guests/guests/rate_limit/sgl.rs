//! Lets each client make sixty requests a minute, counted in its own memory: sgl-model-gateway's example of a rate
//! limit.

wit_bindgen::generate!({
    path: "../../../../wit/foreign/sgl/model-gateway.wit",
    inline: "package test:guest; world request-only { export sgl:model-gateway/middleware-on-request; }",
    world: "test:guest/request-only",
    generate_all,
});

use std::{cell::RefCell, collections::HashMap};

use exports::sgl::model_gateway::middleware_on_request::{Action, Guest, Request};

const REQUESTS: usize = 60;
const WINDOW_MS: u64 = 60_000;

thread_local! {
    /// When each client made its latest requests.
    static MADE: RefCell<HashMap<String, Vec<u64>>> = RefCell::default();
}

struct RateLimit;

impl Guest for RateLimit {
    fn on_request(request: Request) -> Action {
        let now = request.now_epoch_ms;
        MADE.with_borrow_mut(|made| {
            let made = made.entry(client(request)).or_default();
            made.retain(|then| now.saturating_sub(*then) < WINDOW_MS);
            if made.len() >= REQUESTS {
                return Action::Reject(429);
            }
            made.push(now);
            Action::Continue
        })
    }
}

/// Whom a request is counted for: an API key, else the address that a proxy in front names.
fn client(request: Request) -> String {
    let value = |name| request.headers.iter().find(|header| header.name == name).map(|header| header.value.clone());
    let names = ["x-api-key", "authorization", "x-forwarded-for", "x-real-ip"];
    names.into_iter().find_map(value).unwrap_or_default()
}

export!(RateLimit);
