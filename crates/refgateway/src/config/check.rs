//! What the types cannot say: references, duplicates, patterns, addresses. Everything wrong is reported at once.

use std::{collections::HashSet, str::FromStr};

use http::{HeaderName, Method};
use wasm_host::Secret;

use super::{Config, ConfigError, Match, Plugin, Problem, did_you_mean, tree::Path};
use crate::{router::Router, upstream::Target};

impl Config {
    /// Checks a config that was not read from a file.
    pub fn check(&self) -> Result<(), ConfigError> {
        let problems = check(self);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { file: None, problems }) }
    }
}

pub(super) fn check(config: &Config) -> Vec<Problem> {
    let mut findings = Findings::default();
    let root = Path::default();
    listeners(config, &root.key("listeners"), &mut findings);
    services(config, &root.key("services"), &mut findings);
    routes(config, &root.key("routes"), &mut findings);
    chain(config, &config.chain, &root.key("chain"), &mut findings);
    plugins(config, &root.key("plugins"), &mut findings);
    limits(config, &root, &mut findings);
    state(config, &root.key("state"), &mut findings);
    secrets(config, &root, &mut findings);
    admin(config, &root.key("admin"), &mut findings);
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn add(&mut self, path: Path, message: impl Into<String>) {
        self.0.push(Problem { path, at: None, message: message.into() });
    }
}

fn listeners(config: &Config, path: &Path, findings: &mut Findings) {
    if config.listeners.is_empty() {
        findings.add(path.clone(), "at least one listener is needed");
    }
    let mut seen = HashSet::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        if listener.address.port() != 0 && !seen.insert(listener.address) {
            findings.add(path.index(index).key("address"), format!("`{}` is listened on twice", listener.address));
        }
    }
}

fn services(config: &Config, path: &Path, findings: &mut Findings) {
    unique(config.services.iter().map(|s| s.name.as_str()), path, findings);
    for (index, service) in config.services.iter().enumerate() {
        let path = path.index(index);
        if service.upstreams.is_empty() {
            findings.add(path.key("upstreams"), "at least one upstream is needed");
        }
        for (index, upstream) in service.upstreams.iter().enumerate() {
            let path = path.key("upstreams").index(index);
            if let Err(reason) = Target::from_str(&upstream.url) {
                findings.add(path.key("url"), reason.to_string());
            }
            if !(1..=100).contains(&upstream.weight) {
                findings.add(path.key("weight"), "a weight is 1 to 100");
            }
        }
        if service.health.max_failures == 0 {
            findings.add(path.key("health").key("max_failures"), "at least 1; a high number switches it off");
        }
        chain(config, &service.chain, &path.key("chain"), findings);
    }
}

fn routes(config: &Config, path: &Path, findings: &mut Findings) {
    unique(config.routes.iter().map(|r| r.name.as_str()), path, findings);
    let mut router = Router::builder();
    for (index, route) in config.routes.iter().enumerate() {
        let path = path.index(index);
        let services = config.services.iter().map(|s| s.name.as_str());
        known("service", &route.service, services, path.key("service"), findings);
        chain(config, &route.chain, &path.key("chain"), findings);
        if route.strip_prefix.as_ref().is_some_and(|prefix| !prefix.starts_with('/')) {
            findings.add(path.key("strip_prefix"), "a path starts with `/`");
        }
        let before = findings.0.len();
        matches(&route.matches, &path.key("match"), findings);
        if findings.0.len() == before
            && let Err((key, reason)) = router.add(&route.matches, index)
        {
            findings.add(path.key("match").key(key), reason);
        }
    }
}

fn matches(rule: &Match, path: &Path, findings: &mut Findings) {
    let paths = [&rule.path, &rule.path_prefix, &rule.path_pattern, &rule.path_regex];
    if paths.iter().filter(|path| path.is_some()).count() > 1 {
        let message = "only one of `path`, `path_prefix`, `path_pattern` and `path_regex` can be given";
        findings.add(path.clone(), message);
    }
    let absolute = [("path", &rule.path), ("path_prefix", &rule.path_prefix), ("path_pattern", &rule.path_pattern)];
    for (key, value) in absolute {
        if value.as_ref().is_some_and(|value| !value.starts_with('/')) {
            findings.add(path.key(key), "a path starts with `/`");
        }
    }
    if let Some(host) = &rule.host {
        let name = host.strip_prefix("*.").unwrap_or(host);
        if name.is_empty() || name.contains(['*', '/', ' ', '@']) || (name.contains(':') && !name.starts_with('[')) {
            findings.add(path.key("host"), "a host is a name without a port, or `*.` and a name");
        }
    }
    for (index, method) in rule.methods.iter().enumerate() {
        if Method::from_bytes(method.as_bytes()).is_err() || method.chars().any(|c| c.is_ascii_lowercase()) {
            findings.add(path.key("methods").index(index), "a method is a word in capitals, such as `GET`");
        }
    }
    for name in rule.headers.keys() {
        if HeaderName::from_str(name).is_err() {
            findings.add(path.key("headers").key(name), "this is not a header name");
        }
    }
}

fn plugins(config: &Config, path: &Path, findings: &mut Findings) {
    unique(config.plugins.iter().map(|p| p.name.as_str()), path, findings);
    for (index, plugin) in config.plugins.iter().enumerate() {
        let path = path.index(index);
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
        for (key, index, message) in plugin.matches.problems() {
            findings.add(path.key("match").key(key).index(index), message);
        }
        for (index, name) in plugin.matches.services.iter().enumerate() {
            let services = config.services.iter().map(|s| s.name.as_str());
            known("service", name, services, path.key("match").key("services").index(index), findings);
        }
        let granted = path.key("grants").key("secrets");
        // What is in the directory is known when the plugins are loaded.
        let is_open = |name: &String| *name == "*" || config.secrets_dir.is_some();
        for (index, name) in plugin.grants.secrets.iter().enumerate().filter(|(_, name)| !is_open(name)) {
            known("secret", name, config.secrets.keys().map(String::as_str), granted.index(index), findings);
        }
        http(config, plugin, &path, findings);
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
}

/// Whether a variable of the environment can have this name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn http(config: &Config, plugin: &Plugin, path: &Path, findings: &mut Findings) {
    for key in plugin.limits.http.zero_times() {
        findings.add(path.key("limits").key("http").key(key), "must be more than 0");
    }
    let path = path.key("grants").key("http");
    for (key, index, message) in plugin.grants.http.problems() {
        let list = path.key(key);
        findings.add(index.map_or_else(|| list.clone(), |index| list.index(index)), message);
    }
    for (index, name) in plugin.grants.http.services.iter().enumerate().filter(|(_, name)| *name != "*") {
        let services = config.services.iter().map(|s| s.name.as_str());
        known("service", name, services, path.key("services").index(index), findings);
    }
}

fn limits(config: &Config, path: &Path, findings: &mut Findings) {
    if config.limits.header_bytes.0 < 8192 || config.limits.header_bytes.0 > 1 << 20 {
        findings.add(path.key("limits").key("header_bytes"), "must be 8KiB to 1MiB");
    }
    if config.limits.headers == 0 || config.limits.headers > 1000 {
        findings.add(path.key("limits").key("headers"), "must be 1 to 1000");
    }
}

fn state(config: &Config, path: &Path, findings: &mut Findings) {
    for (key, message) in config.state.missing() {
        findings.add(path.key(key), message);
    }
}

fn secrets(config: &Config, path: &Path, findings: &mut Findings) {
    for (name, place) in &config.secrets {
        let path = path.key("secrets").key(name);
        if !Secret::is_name(name) {
            findings.add(path.clone(), "a name has letters, digits, `-`, `_` and `.`, and does not begin with a `.`");
        }
        if let Some(problem) = place.problem() {
            findings.add(path, problem);
        }
    }
    if config.secrets_interval.0.is_zero() {
        findings.add(path.key("secrets_interval"), "must be more than 0");
    }
}

fn admin(config: &Config, path: &Path, findings: &mut Findings) {
    let admin = &config.admin;
    if admin.enabled && admin.token.is_none() && !admin.address.ip().is_loopback() {
        let message = "`admin.token` is needed when the admin listener is not on a loopback address";
        findings.add(path.key("address"), message);
    }
    if admin.token.as_ref().is_some_and(|token| token.len() < 16) {
        findings.add(path.key("token"), "a token has at least 16 characters");
    }
}

fn chain(config: &Config, names: &[String], path: &Path, findings: &mut Findings) {
    for (index, name) in names.iter().enumerate() {
        known("plugin", name, config.plugins.iter().map(|p| p.name.as_str()), path.index(index), findings);
    }
}

fn known<'a>(
    kind: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    path: Path,
    findings: &mut Findings,
) {
    if known.clone().any(|candidate| candidate == name) {
        return;
    }
    let hint = did_you_mean(name, known).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
    findings.add(path, format!("no {kind} is called `{name}`{hint}"));
}

fn unique<'a>(names: impl Iterator<Item = &'a str>, path: &Path, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for (index, name) in names.enumerate() {
        if name.is_empty() {
            findings.add(path.index(index).key("name"), "a name is needed");
        } else if !seen.insert(name) {
            findings.add(path.index(index).key("name"), format!("`{name}` is used twice"));
        }
    }
}
