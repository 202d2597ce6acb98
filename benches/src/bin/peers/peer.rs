//! What is measured, in the order of the tables.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::programs::{envoy, gateway, haproxy, hyper, nginx, pingora, wasmtime};

/// A program with one config.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The build of the gateway; none: that of a release build.
    pub(crate) build: Option<PathBuf>,
    /// Starts it in the foreground.
    pub(crate) command: Start,
}

pub(crate) type Start = fn(&Place<'_>) -> Command;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sends everything to the upstream.
    Proxy,
    /// Sends to the upstream what has the secret, and marks it by `x-plugin: 1`; answers 401 to the rest.
    Filter {
        /// The name of the same proxy without the filter.
        without: String,
    },
    /// Answers 200 or 401 itself.
    Host,
}

/// Where a peer runs.
#[derive(Debug)]
pub(crate) struct Place<'p> {
    /// For its files.
    pub(crate) directory: &'p Path,
    pub(crate) address: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) build: Option<&'p Path>,
}

/// With which all others are compared.
pub(crate) const FIRST: &str = "nginx";
const ENVOY: &str = "Envoy";
const HAPROXY: &str = "haproxy";
const HYPER: &str = "hyper alone";
const GATEWAY: &str = "refgateway";

pub(crate) fn proxies() -> Vec<Peer> {
    vec![
        proxy(FIRST, nginx::proxy),
        proxy(HAPROXY, haproxy::proxy),
        proxy(ENVOY, envoy::proxy),
        proxy("Pingora", pingora::proxy),
        proxy(HYPER, hyper::proxy),
        proxy(GATEWAY, gateway::proxy),
        filter("nginx + Lua (`access_by_lua`)", FIRST, nginx::with_lua),
        filter("Envoy + Lua filter", ENVOY, envoy::with_lua),
        filter("haproxy + `http-request` rules (native, no guest)", HAPROXY, haproxy::with_rules),
        filter("refgateway, filter, pool `reuse`", GATEWAY, gateway::reused),
        filter("refgateway, filter, pool `fresh`", GATEWAY, gateway::fresh),
        filter("refgateway, ten filters in the chain, pool `reuse`", GATEWAY, gateway::ten),
        filter("refgateway, one of 1,000 filters on 1,000 routes, pool `reuse`", GATEWAY, gateway::thousand),
    ]
}

pub(crate) fn hosts() -> Vec<Peer> {
    let host = |name, command| peer(name, Kind::Host, command);
    vec![
        host("`wasmtime serve`, an instance for each request", wasmtime::fresh),
        host("`wasmtime serve`, instances reused", wasmtime::reused),
    ]
}

/// Builds of the gateway, case by case, and what each of them could be at best.
pub(crate) fn builds(programs: &[PathBuf]) -> Vec<Peer> {
    const FILTERS: [(&str, Start); 2] = [("reuse", gateway::reused), ("fresh", gateway::fresh)];

    let build = |program: &PathBuf, peer| Peer { build: Some(program.clone()), ..peer };
    let name = |program: &PathBuf| program.display().to_string();
    let mut peers = vec![proxy(FIRST, nginx::proxy), proxy(HYPER, hyper::proxy)];
    peers.extend(programs.iter().map(|program| build(program, proxy(&name(program), gateway::proxy))));
    for (pool, command) in FILTERS {
        let filter = |program| filter(&format!("{}, filter, pool `{pool}`", name(program)), &name(program), command);
        peers.extend(programs.iter().map(|program| build(program, filter(program))));
    }
    peers
}

fn proxy(name: &str, command: Start) -> Peer {
    peer(name, Kind::Proxy, command)
}

fn filter(name: &str, without: &str, command: Start) -> Peer {
    peer(name, Kind::Filter { without: without.to_owned() }, command)
}

fn peer(name: &str, kind: Kind, command: Start) -> Peer {
    Peer { name: name.to_owned(), kind, build: None, command }
}
