//! What the types cannot say of one plugin.

use serde_json::Value;

use super::{
    Config, OdinKind, Origin, Plugin,
    check::{Findings, known},
    tree::Path,
};

/// Checks a plugin of the config, whose settings are below this path.
pub(super) fn plugin(config: &Config, plugin: &Plugin, path: &Path, findings: &mut Findings) {
    if let Some(circuit) = &plugin.circuit_breaker {
        for (key, time) in [("window", circuit.window), ("cooldown", circuit.cooldown)] {
            if time.0.is_zero() {
                findings.add(path.key("circuit_breaker").key(key), "must be more than 0");
            }
        }
    }
    if plugin.bodies.decode && plugin.bodies.request.is_none() && plugin.bodies.response.is_none() {
        let message = "`decode` is for the bodies named beside it: give `request` or `response`";
        findings.add(path.key("bodies").key("decode"), message);
    }
    if plugin.config_schema.as_ref().is_some_and(|schema| !schema.is_string() && !schema.is_object()) {
        findings.add(path.key("config_schema"), "a schema is a map, or the path of a file with one");
    }
    scope(config, plugin, path, findings);
    let granted = path.key("grants").key("secrets");
    // What is in the directory is known when the plugins are loaded.
    let is_open = |name: &String| *name == "*" || config.secrets_dir.is_some();
    for (index, name) in plugin.grants.secrets.iter().enumerate().filter(|(_, name)| !is_open(name)) {
        known("secret", name, config.secrets.keys().map(String::as_str), granted.index(index), findings);
    }
    http(config, plugin, path, findings);
    for name in plugin.grants.kv.shared.keys() {
        let shared = config.state.kv_shared.keys().map(String::as_str);
        let path = path.key("grants").key("kv").key("shared").key(name);
        known("namespace of `state.kv_shared`", name, shared, path, findings);
    }
    let granted = path.key("grants").key("env");
    for (index, _) in plugin.grants.env.iter().enumerate().filter(|(_, name)| !is_variable(name)) {
        findings.add(granted.index(index), "this is no name of a variable: it is not empty and has no `=`");
    }
    let path = path.key("grants").key("upstreams");
    for (index, name) in plugin.grants.upstreams.iter().enumerate().filter(|(_, name)| *name != "*") {
        let services = config.services.iter().map(|s| s.name.as_str());
        known("service", name, services, path.index(index), findings);
    }
}

/// Whether a variable of the environment can have this name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Which requests it is for, in the words of whoever wrote it.
fn scope(config: &Config, plugin: &Plugin, path: &Path, findings: &mut Findings) {
    let below = |key: &str| match plugin.origin.scope_key(key) {
        Some(own) => path.key(own),
        None => path.key("match").key(key),
    };
    for (key, index, message) in plugin.matches.problems() {
        findings.add(below(key).index(index), message);
    }
    if plugin.origin.knows_other_services() {
        return;
    }
    let services = config.services.iter().map(|s| s.name.as_str());
    for (index, name) in plugin.matches.services.iter().enumerate() {
        let path = below("services").index(index);
        match plugin.origin {
            Origin::Odin(Some(kind)) if services.clone().all(|known| known != name) => {
                findings.add(path, never_called(kind, name, services.clone()));
            }
            _ => known("service", name, services.clone(), path, findings),
        }
    }
}

fn never_called<'a>(kind: OdinKind, name: &str, services: impl Iterator<Item = &'a str>) -> String {
    let services: Vec<_> = services.map(|name| format!("`{name}`")).collect();
    let services = if services.is_empty() { "none".to_owned() } else { services.join(", ") };
    let kind = kind.as_str();
    format!(
        "no service is called `{name}`, and a plugin of type `{kind}` that is not called keeps nobody out; \
         services there are: {services}"
    )
}

fn http(config: &Config, plugin: &Plugin, path: &Path, findings: &mut Findings) {
    for key in plugin.limits.http.zero_times() {
        findings.add(path.key("limits").key("http").key(key), "must be more than 0");
    }
    let granted = path.key("grants").key("http");
    for (key, index, message) in plugin.grants.http.problems() {
        let list = granted.key(key);
        findings.add(index.map_or_else(|| list.clone(), |index| list.index(index)), message);
    }
    let aggregated = aggregated(plugin);
    for (index, name) in plugin.grants.http.services.iter().enumerate().filter(|(_, name)| *name != "*") {
        let path = match index.checked_sub(aggregated) {
            Some(index) => granted.key("services").index(index),
            None => path.key("services").index(index),
        };
        let services = config.services.iter().map(|s| s.name.as_str());
        known("service", name, services, path, findings);
    }
}

/// How many of the services that it may call are those of an aggregation of Odin, which come first.
fn aggregated(plugin: &Plugin) -> usize {
    match plugin.origin {
        Origin::Odin(Some(OdinKind::Aggregation)) => {
            plugin.abi.get("services").and_then(Value::as_array).map_or(0, Vec::len)
        }
        _ => 0,
    }
}
