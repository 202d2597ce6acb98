//! `GET /api/routes`.

use http::Request;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use wasm_host::Plugin;

use super::reply::Reply;
use crate::{
    config::Match,
    gateway::Route,
    server::Shared,
    upstream::{Service, Upstream},
};

/// Every route with what it matches, where it goes and what it carries.
pub(super) fn list(shared: &Shared, _: &Request<Incoming>) -> Reply {
    let gateway = shared.gateway();
    let routes: Vec<_> = gateway.routes.iter().map(|route| describe(route)).collect();
    let services: Vec<_> = gateway.services.iter().map(|service| describe_service(service)).collect();
    Reply::json(&json!({ "routes": routes, "services": services }))
}

pub(super) fn describe(route: &Route) -> Value {
    json!({
        "name": route.name,
        "match": describe_match(&route.matches),
        "service": route.service.name,
        "chain": chain_of(route),
    })
}

/// The plugins of a route in the order they run.
pub(super) fn chain_of(route: &Route) -> Vec<&str> {
    route.chain.plugins().iter().map(Plugin::name).collect()
}

pub(super) fn describe_service(service: &Service) -> Value {
    let upstreams: Vec<_> = service.upstreams.iter().map(|upstream| describe_upstream(upstream)).collect();
    json!({ "name": service.name, "upstreams": upstreams })
}

fn describe_upstream(upstream: &Upstream) -> Value {
    let target = &upstream.settings.target;
    let scheme = if target.tls { "https" } else { "http" };
    json!({
        "url": format!("{scheme}://{}", target.authority),
        "weight": upstream.weight,
        "in_flight": upstream.in_flight(),
        "healthy": upstream.health.is_in(),
    })
}

/// Only what the config says: an absent key matches everything.
fn describe_match(rule: &Match) -> Value {
    let mut map = Map::new();
    let texts = [
        ("host", &rule.host),
        ("path", &rule.path),
        ("path_prefix", &rule.path_prefix),
        ("path_pattern", &rule.path_pattern),
        ("path_regex", &rule.path_regex),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            map.insert(key.to_owned(), json!(value));
        }
    }
    if !rule.methods.is_empty() {
        map.insert("methods".to_owned(), json!(rule.methods));
    }
    if !rule.headers.is_empty() {
        // Names only: a header that is matched may be a credential.
        map.insert("headers".to_owned(), json!(rule.headers.keys().collect::<Vec<_>>()));
    }
    Value::Object(map)
}
