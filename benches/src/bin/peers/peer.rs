//! What is measured, in the order of the tables.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use benches::root;

use crate::programs::{envoy, gateway, haproxy, hyper, nginx, pingora, wasmtime};

/// A program with one config.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The name of the proxy that it is compared with.
    pub(crate) against: Option<String>,
    /// The gateway's program, when it is not the usual one.
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

/// With which all other proxies are compared.
pub(crate) const FIRST: &str = "nginx";
const ENVOY: &str = "Envoy";
const HAPROXY: &str = "haproxy";
const HYPER: &str = "hyper alone";
const GATEWAY: &str = "refgateway";
const GUIDED: &str = "refgateway, profile-guided build";

pub(crate) fn proxies() -> Vec<Peer> {
    let guided = |peer| Peer { build: Some(root().join("target/pgo/refgateway")), ..peer };
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
        guided(proxy(GUIDED, gateway::proxy)),
        guided(filter("refgateway, profile-guided build, filter, pool `reuse`", GUIDED, gateway::reused)),
        guided(filter("refgateway, profile-guided build, filter, pool `fresh`", GUIDED, gateway::fresh)),
    ]
}

pub(crate) fn hosts() -> Vec<Peer> {
    let host = |name, command| Peer { against: None, ..peer(name, Kind::Host, command) };
    vec![
        host("`wasmtime serve`, an instance for each request", wasmtime::fresh),
        host("`wasmtime serve`, instances reused", wasmtime::reused),
    ]
}

/// Builds of the gateway, case by case, each against the first of them. nginx and hyper alone show what the machine
/// does.
pub(crate) fn builds(programs: &[PathBuf]) -> Vec<Peer> {
    const CASES: [(&str, Start); 3] =
        [("", gateway::proxy), (", filter, pool `reuse`", gateway::reused), (", filter, pool `fresh`", gateway::fresh)];

    // A program may be there twice, to show the noise.
    let names: Vec<_> =
        (1..).zip(programs).map(|(number, program)| format!("{number}: {}", program.display())).collect();
    let first = names.first().map_or("", String::as_str);
    let others = [proxy(FIRST, nginx::proxy), proxy(HYPER, hyper::proxy)];
    let others = others.into_iter().map(|other| Peer { against: Some(first.to_owned()), ..other });
    let cases = CASES.iter().flat_map(|(case, command)| {
        names.iter().zip(programs).map(move |(build, program)| Peer {
            name: format!("{build}{case}"),
            kind: if case.is_empty() { Kind::Proxy } else { Kind::Filter { without: build.clone() } },
            against: Some(format!("{first}{case}")),
            build: Some(program.clone()),
            command: *command,
        })
    });
    others.chain(cases).collect()
}

fn proxy(name: &str, command: Start) -> Peer {
    peer(name, Kind::Proxy, command)
}

fn filter(name: &str, without: &str, command: Start) -> Peer {
    peer(name, Kind::Filter { without: without.to_owned() }, command)
}

fn peer(name: &str, kind: Kind, command: Start) -> Peer {
    Peer { name: name.to_owned(), kind, against: Some(FIRST.to_owned()), build: None, command }
}
