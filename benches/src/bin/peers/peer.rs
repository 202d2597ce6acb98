//! What is measured, in the order of the tables.

use std::{net::SocketAddr, path::Path, process::Command};

use crate::programs::{envoy, gateway, haproxy, hyper, nginx, pingora, wasmtime};

/// A program with one config.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Starts it in the foreground.
    pub(crate) command: fn(&Place<'_>) -> Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sends everything to the upstream.
    Proxy,
    /// Sends to the upstream what has the secret, and marks it by `x-plugin: 1`; answers 401 to the rest.
    Filter {
        /// The name of the same proxy without the filter.
        without: &'static str,
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
}

/// With which all others are compared.
pub(crate) const FIRST: &str = "nginx";
const ENVOY: &str = "Envoy";
const HAPROXY: &str = "haproxy";
const GATEWAY: &str = "refgateway";

pub(crate) const PROXIES: [Peer; 13] = [
    proxy(FIRST, nginx::proxy),
    proxy(HAPROXY, haproxy::proxy),
    proxy(ENVOY, envoy::proxy),
    proxy("Pingora", pingora::proxy),
    proxy("hyper alone", hyper::proxy),
    proxy(GATEWAY, gateway::proxy),
    filter("nginx + Lua (`access_by_lua`)", FIRST, nginx::with_lua),
    filter("Envoy + Lua filter", ENVOY, envoy::with_lua),
    filter("haproxy + `http-request` rules (native, no guest)", HAPROXY, haproxy::with_rules),
    filter("refgateway, filter, pool `reuse`", GATEWAY, gateway::reused),
    filter("refgateway, filter, pool `fresh`", GATEWAY, gateway::fresh),
    filter("refgateway, ten filters in the chain, pool `reuse`", GATEWAY, gateway::ten),
    filter("refgateway, one of 1,000 filters on 1,000 routes, pool `reuse`", GATEWAY, gateway::thousand),
];

pub(crate) const HOSTS: [Peer; 2] = [
    host("`wasmtime serve`, an instance for each request", wasmtime::fresh),
    host("`wasmtime serve`, instances reused", wasmtime::reused),
];

const fn proxy(name: &'static str, command: fn(&Place<'_>) -> Command) -> Peer {
    Peer { name, kind: Kind::Proxy, command }
}

const fn filter(name: &'static str, without: &'static str, command: fn(&Place<'_>) -> Command) -> Peer {
    Peer { name, kind: Kind::Filter { without }, command }
}

const fn host(name: &'static str, command: fn(&Place<'_>) -> Command) -> Peer {
    Peer { name, kind: Kind::Host, command }
}
