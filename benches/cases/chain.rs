//! The guest in a chain, through the public API: an exchange is opened, runs its phase and is finished.

use tokio::runtime::Runtime;
use wasm_host::{Body, ExchangeFacts, PluginBuilder, PluginChain, RequestOutcome};

use super::{BATCH, Case, Run, engine, floor, fresh, measured, message, reused};

const GROUP: &str = "chain";
const ONE: &str = "filter reused";
const ONE_FRESH: &str = "filter fresh";
const NO_PLUGIN: &str = "no plugin";
const NO_PLUGIN_ON_RESPONSE: &str = "response, no plugin";

pub(super) fn cases() -> Vec<Case> {
    let filter = || vec![reused(test_guests::NATIVE_FILTER)];
    vec![
        Case {
            group: "request",
            name: "made, ten headers (in no other case)",
            against: None,
            load: None,
            run: Box::new(|runtime, work| {
                runtime.block_on(measured(work, BATCH, async || (), async |()| message::request()))
            }),
        },
        on_request(NO_PLUGIN, None, Vec::new),
        on_request("empty reused", None, || vec![reused(test_guests::NATIVE_EMPTY)]),
        on_request("empty fresh", None, || vec![fresh(test_guests::NATIVE_EMPTY)]),
        on_request(ONE, Some(floor::REUSED), filter),
        on_request(ONE_FRESH, Some(floor::FRESH), || vec![fresh(test_guests::NATIVE_FILTER)]),
        on_request("without WASI, filter reused", Some(ONE), || vec![reused(test_guests::NATIVE_FILTER_ON_UNKNOWN)]),
        on_request("without WASI, filter fresh", Some(ONE_FRESH), || {
            vec![fresh(test_guests::NATIVE_FILTER_ON_UNKNOWN)]
        }),
        on_request("ten filters reused", Some(ONE), || (0..10).map(|_| reused(test_guests::NATIVE_FILTER)).collect()),
        on_response(NO_PLUGIN_ON_RESPONSE, None, Vec::new),
        on_response("response, filter (request phase only)", Some(NO_PLUGIN_ON_RESPONSE), filter),
    ]
}

fn on_request(name: &'static str, against: Option<&'static str>, plugins: fn() -> Vec<PluginBuilder>) -> Case {
    let mut chain = None;
    let run: Run = Box::new(move |runtime, work| {
        let chain = chain.get_or_insert_with(|| load(runtime, plugins()));
        let prepare = async || (ExchangeFacts::default(), message::request());
        let routine = async |(facts, request)| {
            let mut exchange = chain.exchange(facts);
            let outcome = exchange.on_request(request).await;
            exchange.finish();
            passed(outcome)
        };
        runtime.block_on(measured(work, BATCH, prepare, routine))
    });
    Case { group: GROUP, name, against, load: None, run }
}

fn on_response(name: &'static str, against: Option<&'static str>, plugins: fn() -> Vec<PluginBuilder>) -> Case {
    let mut chain = None;
    let run: Run = Box::new(move |runtime, work| {
        let chain = chain.get_or_insert_with(|| load(runtime, plugins()));
        let prepare = async || {
            let mut exchange = chain.exchange(ExchangeFacts::default());
            passed(exchange.on_request(message::request()).await);
            (exchange, message::response())
        };
        let routine = async |(mut exchange, response): (wasm_host::Exchange, _)| {
            let response = exchange.on_response(response).await;
            (exchange, response)
        };
        runtime.block_on(measured(work, BATCH, prepare, routine))
    });
    Case { group: GROUP, name, against, load: None, run }
}

fn load(runtime: &Runtime, plugins: Vec<PluginBuilder>) -> PluginChain {
    let load = |plugin: PluginBuilder| runtime.block_on(plugin.load(&engine())).unwrap();
    PluginChain::new(plugins.into_iter().map(load)).unwrap()
}

fn passed(outcome: RequestOutcome) -> http::Request<Body> {
    match outcome {
        RequestOutcome::Continue(request) => request,
        RequestOutcome::Respond(response) => panic!("answered {}", response.status()),
        RequestOutcome::BodyFailed(error) => panic!("{error}"),
    }
}
