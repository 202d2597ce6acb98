//! What one call does not show: how plugins start, how many there can be, whether two cores do the work of two, and what
//! others notice of a plugin that spins. `scale [SECTION]`: `start`, `many`, `cores` or `tail`. `start` may be given
//! more plugins, as files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints its result")]

mod cores;
mod many;
#[path = "../cases/message.rs"]
#[allow(dead_code, reason = "no case here has a response")]
mod message;
mod start;
mod tail;

use std::time::Duration;

use wasm_host::{ExchangeFacts, PluginChain, RequestOutcome};

/// Interleaved rounds, whose medians are shown.
const ROUNDS: usize = 7;

fn main() {
    // `cargo bench` adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let wanted = arguments.next().unwrap_or_default();
    let files: Vec<_> = arguments.collect();
    let sections: [(&str, &dyn Fn()); 4] =
        [("start", &|| start::print(&files)), ("many", &many::print), ("cores", &cores::print), ("tail", &tail::print)];
    for (name, print) in sections {
        if name.starts_with(&wanted) {
            print();
            println!();
        }
    }
}

async fn call(chain: &PluginChain) -> RequestOutcome {
    let mut exchange = chain.exchange(ExchangeFacts::default());
    let outcome = exchange.on_request(message::request()).await;
    exchange.finish();
    outcome
}

async fn pass(chain: &PluginChain) {
    let outcome = call(chain).await;
    assert!(matches!(outcome, RequestOutcome::Continue(_)), "{outcome:?}");
}

fn milliseconds(times: &[Duration]) -> f64 {
    benches::median(times.iter().map(|time| time.as_secs_f64() * 1_000.0))
}
