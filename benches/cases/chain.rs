//! The guest in a chain, through the public API: an exchange is opened, runs its phase and is finished.

use tokio::runtime::Runtime;
use wasm_host::{Body, ExchangeFacts, Plugin, PluginChain, PluginEngine, PoolPolicy, RequestOutcome, Reuse};

use super::{BATCH, Case, Run, floor, measured, message};

const GROUP: &str = "chain";
const ONE: &str = "filter reused";
const NO_PLUGIN: &str = "no plugin";

pub(super) fn cases(runtime: &Runtime) -> Vec<Case> {
    let engine = PluginEngine::builder().build().unwrap();
    let load =
        |file: &str, pool| runtime.block_on(Plugin::builder("bench").file(file).pool(pool).load(&engine)).unwrap();
    let reused = |file| load(file, PoolPolicy::Reuse(Reuse::default()));
    let fresh = |file| load(file, PoolPolicy::Fresh);
    let filter = reused(test_guests::NATIVE_FILTER);
    let ten: Vec<_> = (0..10).map(|_| reused(test_guests::NATIVE_FILTER)).collect();
    vec![
        Case {
            group: "request",
            name: "made, ten headers (in no other case)",
            against: None,
            load: None,
            run: Box::new(|runtime, iterations| {
                runtime.block_on(measured(iterations, BATCH, async || (), async |()| message::request()))
            }),
        },
        on_request(NO_PLUGIN, None, []),
        on_request("empty reused", None, [reused(test_guests::NATIVE_EMPTY)]),
        on_request("empty fresh", None, [fresh(test_guests::NATIVE_EMPTY)]),
        on_request(ONE, Some(floor::REUSED), [filter.clone()]),
        on_request("filter fresh", Some(floor::FRESH), [fresh(test_guests::NATIVE_FILTER)]),
        on_request("ten filters reused", Some(ONE), ten),
        on_response("response, no plugin", None, []),
        on_response("response, filter (request phase only)", Some("response, no plugin"), [filter]),
    ]
}

fn on_request(name: &'static str, against: Option<&'static str>, plugins: impl IntoIterator<Item = Plugin>) -> Case {
    let chain = PluginChain::new(plugins).unwrap();
    let run = async move |iterations| {
        let prepare = async || (ExchangeFacts::default(), message::request());
        let routine = async |(facts, request)| {
            let mut exchange = chain.exchange(facts);
            let outcome = exchange.on_request(request).await;
            exchange.finish();
            passed(outcome)
        };
        measured(iterations, BATCH, prepare, routine).await
    };
    let run: Run = Box::new(move |runtime, iterations| runtime.block_on(run(iterations)));
    Case { group: GROUP, name, against, load: None, run }
}

fn on_response(name: &'static str, against: Option<&'static str>, plugins: impl IntoIterator<Item = Plugin>) -> Case {
    let chain = PluginChain::new(plugins).unwrap();
    let run = async move |iterations| {
        let prepare = async || {
            let mut exchange = chain.exchange(ExchangeFacts::default());
            passed(exchange.on_request(message::request()).await);
            (exchange, message::response())
        };
        let routine = async |(mut exchange, response): (wasm_host::Exchange, _)| {
            let response = exchange.on_response(response).await;
            (exchange, response)
        };
        measured(iterations, BATCH, prepare, routine).await
    };
    let run: Run = Box::new(move |runtime, iterations| runtime.block_on(run(iterations)));
    Case { group: GROUP, name, against, load: None, run }
}

fn passed(outcome: RequestOutcome) -> http::Request<Body> {
    match outcome {
        RequestOutcome::Continue(request) => request,
        RequestOutcome::Respond(response) => panic!("answered {}", response.status()),
        RequestOutcome::BodyFailed(error) => panic!("{error}"),
    }
}
