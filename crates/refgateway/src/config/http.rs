//! What a config file says about the calls that a plugin makes over HTTP.

use std::num::{NonZeroU16, NonZeroU32};

use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use wasm_host::{HostPattern, Network};

use super::{Size, Time};

const ADDRESSES: [&str; 4] = ["loopback", "private", "link_local", "metadata"];

/// What a plugin may call over HTTP: nothing without `hosts` or `services`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpGrant {
    /// Hosts of URLs: a name or an IP address, `*.suffix` for every name under it, `*` for all.
    pub hosts: Vec<String>,
    /// Ports of URLs; when empty 443 with `https` and 80 with `http`.
    pub ports: Vec<NonZeroU16>,
    /// Methods, of calls to services too; GET and HEAD when empty.
    pub methods: Vec<String>,
    /// Schemes of URLs; `https` when empty.
    pub schemes: Vec<HttpScheme>,
    /// Addresses that the hosts may have besides public ones: `loopback`, `private`, `link_local`, `metadata`, or a
    /// network such as `10.1.0.0/16`.
    pub addresses: Vec<String>,
    /// Services that it may call by name; `*` stands for every service.
    pub services: Vec<String>,
}

/// A scheme of URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpScheme {
    /// In clear text.
    Http,
    /// Over TLS.
    Https,
}

/// What the calls of a plugin may use up. What is absent has the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// Calls in one exchange.
    pub calls: Option<u32>,
    /// Calls under way at once.
    pub concurrency: Option<NonZeroU32>,
    /// Headers and body of a request.
    pub request_bytes: Option<Size>,
    /// Headers and body of a response.
    pub response_bytes: Option<Size>,
    /// Until a connection stands.
    pub connect: Option<Time>,
    /// Until a response has been read, redirects included.
    pub timeout: Option<Time>,
    /// Redirects that one call follows.
    pub redirects: Option<u32>,
}

impl HttpGrant {
    /// What the types cannot say, each with the key and the place in its list.
    pub(super) fn problems(&self) -> Vec<(&'static str, Option<usize>, String)> {
        let mut problems = Vec::new();
        for (index, host) in self.hosts.iter().enumerate() {
            if let Err(error) = host.parse::<HostPattern>() {
                problems.push(("hosts", Some(index), error.to_string()));
            }
        }
        for (index, method) in self.methods.iter().enumerate() {
            let is_word = Method::from_bytes(method.as_bytes()).is_ok() && !method.contains(char::is_lowercase);
            if !is_word || method == "CONNECT" {
                let message = "a method is a word in capitals, such as `GET`, and not CONNECT";
                problems.push(("methods", Some(index), message.to_owned()));
            }
        }
        for (index, address) in self.addresses.iter().enumerate() {
            if !ADDRESSES.contains(&address.as_str()) && address.parse::<Network>().is_err() {
                let words = ADDRESSES.map(|word| format!("`{word}`")).join(", ");
                problems.push((
                    "addresses",
                    Some(index),
                    format!("one of {words}, or a network such as `10.1.0.0/16`"),
                ));
            }
        }
        let restricts = [
            ("ports", self.ports.is_empty()),
            ("schemes", self.schemes.is_empty()),
            ("addresses", self.addresses.is_empty()),
        ];
        for (key, _) in restricts.into_iter().filter(|(_, is_empty)| self.hosts.is_empty() && !is_empty) {
            problems.push((key, None, "this is about the hosts of URLs: give `hosts`".to_owned()));
        }
        problems
    }
}

impl HttpLimits {
    /// The keys of times that are none.
    pub(super) fn zero_times(&self) -> impl Iterator<Item = &'static str> {
        let times = [("connect", self.connect), ("timeout", self.timeout)];
        times.into_iter().filter(|(_, time)| time.is_some_and(|time| time.0.is_zero())).map(|(key, _)| key)
    }
}
