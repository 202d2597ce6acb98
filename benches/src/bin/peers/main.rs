//! The gateway beside other proxies, all in front of the same upstream: `peers [ROUNDS [SECONDS]]`; or builds of the
//! gateway beside each other: `peers ROUNDS SECONDS PROGRAM…`.
//!
//! The proxy has processor 0 for itself; the upstream and the load generator share processor 1. The proxies take turns,
//! round after round, each started anew. The figure that holds on a busy machine is the processor time that the proxy
//! itself takes per request. `cargo xtask bench-peers` installs what is compared here; what is not there is left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints its result")]

mod check;
mod extism;
mod load;
mod measure;
mod peer;
mod programs;
mod table;

use std::path;

use benches::{LOAD_PROCESSOR, Server, free_address};

use self::{measure::Bench, programs::nginx};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(default, |argument| argument.parse().expect("a number"));
    let (rounds, seconds) = (number(7), number(3));
    let builds: Vec<_> = arguments.map(|program| path::absolute(program).unwrap()).collect();

    let directory = tempfile::tempdir().unwrap();
    let upstream = free_address();
    let server = nginx::upstream(directory.path(), upstream);
    let _upstream = Server::start(server, LOAD_PROCESSOR, upstream);
    let bench = Bench { directory: directory.path(), upstream, rounds, seconds };

    if !builds.is_empty() {
        let builds = bench.run(&peer::builds(&builds));
        table::print_proxies(&builds, "the first build");
        return table::print_not_run(builds.iter());
    }
    let proxies = bench.run(&peer::proxies());
    let mut hosts = bench.run(&peer::hosts());
    hosts.extend(extism::run(rounds, seconds));
    table::print_proxies(&proxies, peer::FIRST);
    table::print_hosts(&hosts);
    table::print_not_run(proxies.iter().chain(&hosts));
}
