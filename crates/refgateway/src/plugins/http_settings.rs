//! From a config to what a plugin may call.

use http::{Method, uri::Scheme};
use wasm_host::{AddressPolicy, HttpGrant, HttpLimits, Names};

use crate::config::{self, HttpScheme};

pub(super) fn grant(given: &config::HttpGrant) -> HttpGrant {
    let default = HttpGrant::default();
    // What does not parse was refused with the config.
    let methods: Vec<_> =
        given.methods.iter().filter_map(|method| Method::from_bytes(method.as_bytes()).ok()).collect();
    let schemes: Vec<_> = given
        .schemes
        .iter()
        .map(|scheme| match scheme {
            HttpScheme::Http => Scheme::HTTP,
            HttpScheme::Https => Scheme::HTTPS,
        })
        .collect();
    HttpGrant {
        hosts: given.hosts.iter().filter_map(|host| host.parse().ok()).collect(),
        ports: given.ports.iter().map(|port| port.get()).collect(),
        methods: if methods.is_empty() { default.methods } else { methods },
        schemes: if schemes.is_empty() { default.schemes } else { schemes },
        addresses: addresses(&given.addresses),
        services: names(&given.services),
    }
}

fn addresses(given: &[String]) -> AddressPolicy {
    let has = |word: &str| given.iter().any(|given| given == word);
    AddressPolicy {
        loopback: has("loopback"),
        private: has("private"),
        link_local: has("link_local"),
        metadata: has("metadata"),
        networks: given.iter().filter_map(|network| network.parse().ok()).collect(),
    }
}

fn names(given: &[String]) -> Names {
    match given {
        [] => Names::None,
        names if names.iter().any(|name| name == "*") => Names::All,
        names => Names::Only(names.to_vec()),
    }
}

pub(super) fn limits(given: &config::HttpLimits) -> HttpLimits {
    let default = HttpLimits::default();
    HttpLimits {
        calls: given.calls.unwrap_or(default.calls),
        concurrency: given.concurrency.map_or(default.concurrency, u32::from),
        request_bytes: given.request_bytes.map_or(default.request_bytes, |size| size.0),
        response_bytes: given.response_bytes.map_or(default.response_bytes, |size| size.0),
        connect: given.connect.map_or(default.connect, |time| time.0),
        timeout: given.timeout.map_or(default.timeout, |time| time.0),
        redirects: given.redirects.unwrap_or(default.redirects),
    }
}
