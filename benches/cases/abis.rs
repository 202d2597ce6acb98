//! The same filter written for each ABI, on a reused instance: what the contract itself costs. Of some, on a new one.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;
use wasm_host::{Body, Command, Exchange, ExchangeFacts, PluginBuilder, RequestOutcome};

use super::{BATCH, Case, Run, chain_of, engine, fresh, measured, message, reused};

const GROUP: &str = "abi";
const NATIVE: &str = "native: component, by handle";

pub(super) fn cases() -> Vec<Case> {
    vec![
        exchange(NATIVE, || reused(test_guests::NATIVE_FILTER)),
        exchange("sgl: component, records", || reused(test_guests::SGL_FILTER)),
        // Else it would judge responses too.
        exchange("odin: core module, JSON", || reused(test_guests::ODIN_FILTER).abi_options(json!({ "type": "auth" }))),
        exchange("blitz: core module, wasm-bindgen", || reused(test_guests::BLITZ_FILTER)),
        exchange("aegis: core module, shared buffer", || reused(test_guests::AEGIS_FILTER)),
        exchange("native, fresh", || fresh(test_guests::NATIVE_FILTER)),
        exchange("native without WASI, fresh", || fresh(test_guests::NATIVE_FILTER_ON_UNKNOWN)),
        exchange("aegis, fresh", || fresh(test_guests::AEGIS_FILTER)),
        command(),
    ]
}

/// A whole exchange: a guest that edits the response does its work in both directions.
fn exchange(name: &'static str, plugin: fn() -> PluginBuilder) -> Case {
    let mut chain = None;
    let run: Run = Box::new(move |runtime, work| {
        let chain = chain.get_or_insert_with(|| chain_of(runtime, plugin()));
        let prepare = async || (chain.exchange(ExchangeFacts::default()), message::request(), message::response());
        runtime.block_on(measured(work, BATCH, prepare, filtered))
    });
    Case { group: GROUP, name, against: (name != NATIVE).then_some(NATIVE), load: None, run }
}

async fn filtered(
    (mut exchange, request, response): (Exchange, http::Request<Body>, Response<Body>),
) -> (http::Request<Body>, Response<Body>) {
    let request = match exchange.on_request(request).await {
        RequestOutcome::Continue(request) => request,
        other => panic!("{other:?}"),
    };
    let response = exchange.on_response(response).await;
    exchange.finish();
    assert!(request.headers().contains_key("x-plugin") || response.headers().contains_key("x-plugin"));
    assert_eq!(response.status(), StatusCode::OK);
    (request, response)
}

/// What a command costs that puts 64 bytes into upper case: an instance of its own each time, and WASI's streams.
fn command() -> Case {
    let mut command = None;
    let run: Run = Box::new(move |runtime, work| {
        let command = command.get_or_insert_with(|| {
            let command = Command::builder().file(test_guests::COMMAND_UPPER);
            runtime.block_on(command.load(&engine())).unwrap()
        });
        let prepare = async || Bytes::from_static(&[b'a'; 64]);
        let routine = async |input: Bytes| command.run(input).await.unwrap();
        runtime.block_on(measured(work, BATCH, prepare, routine))
    });
    Case { group: GROUP, name: "command: fresh, stdin to stdout", against: Some(NATIVE), load: None, run }
}
