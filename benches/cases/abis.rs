//! The same filter written for each ABI, on a reused instance: what the contract itself costs.

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::runtime::Runtime;
use wasm_host::{
    Body, Command, Exchange, ExchangeFacts, Plugin, PluginChain, PluginEngine, PoolPolicy, RequestOutcome, Reuse,
};

use super::{BATCH, Case, Run, measured, message};

const GROUP: &str = "abi";
const NATIVE: &str = "native: component, by handle";
const ODIN: &str = "odin: core module, JSON";

pub(super) fn cases(runtime: &Runtime) -> Vec<Case> {
    let engine = PluginEngine::builder().build().unwrap();
    let mut cases: Vec<_> = [
        (NATIVE, test_guests::NATIVE_FILTER),
        ("sgl: component, records", test_guests::SGL_FILTER),
        (ODIN, test_guests::ODIN_FILTER),
        ("blitz: core module, wasm-bindgen", test_guests::BLITZ_FILTER),
        ("aegis: core module, shared buffer", test_guests::AEGIS_FILTER),
    ]
    .into_iter()
    .map(|(name, file)| {
        let mut plugin = Plugin::builder("bench").file(file).pool(PoolPolicy::Reuse(Reuse::default()));
        if name == ODIN {
            // Else it would judge responses too.
            plugin = plugin.abi_options(serde_json::json!({ "type": "auth" }));
        }
        exchange(name, runtime.block_on(plugin.load(&engine)).unwrap())
    })
    .collect();
    cases.push(command(runtime, &engine));
    cases
}

/// A whole exchange: a guest that edits the response does its work in both directions.
fn exchange(name: &'static str, plugin: Plugin) -> Case {
    let chain = PluginChain::new([plugin]).unwrap();
    let run = async move |iterations| {
        let prepare = async || (chain.exchange(ExchangeFacts::default()), message::request(), message::response());
        measured(iterations, BATCH, prepare, filtered).await
    };
    let run: Run = Box::new(move |runtime, iterations| runtime.block_on(run(iterations)));
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
fn command(runtime: &Runtime, engine: &PluginEngine) -> Case {
    let command = Command::builder().file(test_guests::COMMAND_UPPER);
    let command = runtime.block_on(command.load(engine)).unwrap();
    let run = async move |iterations| {
        let prepare = async || Bytes::from_static(&[b'a'; 64]);
        let routine = async |input: Bytes| command.run(input).await.unwrap();
        measured(iterations, BATCH, prepare, routine).await
    };
    let run: Run = Box::new(move |runtime, iterations| runtime.block_on(run(iterations)));
    Case { group: GROUP, name: "command: fresh, stdin to stdout", against: Some(NATIVE), load: None, run }
}
