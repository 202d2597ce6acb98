//! `/api/plugins`: list, load, replace, enable, disable, unload.
//!
//! `load` and `unload/{name}` are the same in the words of Odin. A plugin may be called so: the methods differ.
//!
//! Every change is a change of the config, applied like a reload: all of it or nothing. A later reload of the config
//! file replaces what was changed here.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wasm_host::{CircuitState, Phase, PluginStats, secret_references};

use super::{
    change::{Addition, Change, Refused},
    percent,
    reply::Reply,
};
use crate::{
    config::{self, Config, OdinPlugin},
    error::Error,
    plugins::LoadedPlugin,
    server::Shared,
};

/// Below this path.
pub(super) const PATH: &str = "/api/plugins";

/// Answers a request for a path below [`PATH`]. Loading compiles, which may take seconds: not for an async thread.
pub(super) fn answer(shared: &Shared, method: &Method, path: &str, body: &Bytes) -> Reply {
    let segments: Option<Vec<_>> =
        path.strip_prefix(PATH).unwrap_or_default().split('/').skip(1).map(percent::decode).collect();
    let Some(segments) = segments else {
        return Reply::error(StatusCode::BAD_REQUEST, "the path is not percent-encoded UTF-8");
    };
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    match (method, segments.as_slice()) {
        (&Method::GET | &Method::HEAD, []) => list(shared),
        (&Method::POST, []) => parsed(body, |addition: Addition| {
            let name = addition.plugin.name.clone();
            apply(shared, &name, Change::Load(Box::new(addition)))
        }),
        (_, []) => Reply::method_not_allowed("GET, HEAD, POST"),
        (&Method::POST, ["load"]) => parsed(body, |given: OdinPlugin| load_odin(shared, given)),
        (&Method::DELETE, ["unload", name]) => apply(shared, name, Change::Unload),
        (&Method::GET | &Method::HEAD, [name]) => show(shared, name),
        (&Method::PUT, [name]) => parsed(body, |plugin| apply(shared, name, Change::Replace(Box::new(plugin)))),
        (&Method::DELETE, [name]) => apply(shared, name, Change::Unload),
        (_, [_]) => Reply::method_not_allowed("GET, HEAD, PUT, DELETE"),
        (&Method::POST, [name, "enable"]) => apply(shared, name, Change::Enable),
        (&Method::POST, [name, "disable"]) => apply(shared, name, Change::Disable),
        (_, [_, "enable" | "disable"]) => Reply::method_not_allowed("POST"),
        _ => Reply::not_found(path),
    }
}

/// Loads a plugin in the words of Odin, with what the config's `wasm` says for all of them.
fn load_odin(shared: &Shared, given: OdinPlugin) -> Reply {
    let name = given.name.clone();
    edit(shared, &name, StatusCode::CREATED, |config| {
        let plugin = config.wasm.clone().unwrap_or_default().plugin(given);
        config.warn_of_services(&plugin);
        Change::Load(Box::new(Addition::on_every_route(plugin))).apply(&name, config)
    })
}

/// Applies the change to one plugin, and answers with what became of it.
fn apply(shared: &Shared, name: &str, change: Change) -> Reply {
    edit(shared, name, change.done(), |config| change.apply(name, config))
}

fn edit(
    shared: &Shared,
    name: &str,
    done: StatusCode,
    change: impl FnOnce(&mut Config) -> Result<(), Refused>,
) -> Reply {
    match shared.edit(name, change) {
        Ok(Ok(())) => match shared.gateway().plugins.iter().find(|plugin| plugin.settings.name == name) {
            Some(plugin) => Reply::json(&describe(plugin)).with_status(done),
            None => Reply::json(&json!({ "name": name, "state": "gone" })),
        },
        Ok(Err(refused)) => Reply::error(refused.status(), &refused.to_string()),
        Err(error @ (Error::Config(_) | Error::Plugins(_) | Error::Chain { .. })) => {
            Reply::error(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string())
        }
        Err(error) => Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn parsed<T: DeserializeOwned>(body: &Bytes, then: impl FnOnce(T) -> Reply) -> Reply {
    match config::from_json(body) {
        Ok(value) => then(value),
        Err(error) => Reply::error(StatusCode::BAD_REQUEST, &format!("the body: {error}")),
    }
}

fn list(shared: &Shared) -> Reply {
    let plugins: Vec<_> = shared.gateway().plugins.iter().map(|plugin| describe(plugin)).collect();
    Reply::json(&json!({ "plugins": plugins }))
}

fn show(shared: &Shared, name: &str) -> Reply {
    match shared.gateway().plugins.iter().find(|plugin| plugin.settings.name == name) {
        Some(plugin) => Reply::json(&describe(plugin)),
        None => Reply::error(StatusCode::NOT_FOUND, &Refused::Unknown(name.to_owned()).to_string()),
    }
}

/// A plugin without its configuration, which may hold secrets.
fn describe(loaded: &LoadedPlugin) -> Value {
    let mut description = json!({
        "name": loaded.settings.name,
        "state": loaded.state().as_str(),
        "reason": loaded.reason(),
        "version": loaded.version,
        "file": loaded.settings.file,
        "priority": loaded.settings.priority,
        "secrets": secrets(&loaded.settings.config),
    });
    if let (Some(plugin), Some(fields)) = (&loaded.plugin, description.as_object_mut()) {
        let phases: Vec<_> = plugin.phases().iter().map(Phase::as_str).collect();
        let bodies = json!({
            "request": plugin.request_body().mode.to_string(),
            "response": plugin.response_body().mode.to_string(),
        });
        fields.insert("bodies".into(), bodies);
        fields.insert("abi".into(), json!(plugin.abi()));
        fields.insert("digest".into(), json!(plugin.digest().map(|digest| digest.to_string())));
        fields.insert("phases".into(), json!(phases));
        fields.insert("limits".into(), limits(plugin.limits()));
        fields.insert("circuit".into(), json!(plugin.circuit().map(CircuitState::as_str)));
        fields.insert("stats".into(), stats(&plugin.stats()));
    }
    description
}

/// Where the config has which secret, by name.
fn secrets(config: &Value) -> Value {
    let references = secret_references(config).into_iter();
    let named = references.map(|reference| (reference.pointer, json!(format!("secret://{}", reference.name))));
    Value::Object(named.collect())
}

fn limits(limits: &wasm_host::Limits) -> Value {
    json!({
        "memory": limits.memory,
        "table_elements": limits.table_elements,
        "cpu_ms": limits.cpu.as_millis() as u64,
        "fuel": limits.fuel,
        "wall_ms": limits.wall.as_millis() as u64,
        "startup_ms": limits.startup.as_millis() as u64,
        "hostcalls": limits.hostcalls,
        "hostcall_bytes": limits.hostcall_bytes,
        "header_bytes": limits.header_bytes,
        "response_body": limits.response_body,
        "body_bytes": limits.body_bytes,
        "log_bytes": limits.log_bytes,
        "body_wait_ms": limits.body_wait.as_millis() as u64,
        "log_rate": limits.log_rate,
        "metric_series": limits.metric_series,
        "rate_limit_keys": limits.rate_limit_keys,
        "own_queues": limits.own_queues,
        "http": http_limits(&limits.http),
        "kv": { "keys": limits.kv.keys, "bytes": limits.kv.bytes, "value": limits.kv.value_bytes },
        "cache_bytes": limits.cache_bytes,
        "cache_value": limits.cache_value,
        "concurrency": limits.concurrency,
        "queue": limits.queue,
    })
}

fn http_limits(limits: &wasm_host::HttpLimits) -> Value {
    json!({
        "calls": limits.calls,
        "concurrency": limits.concurrency,
        "request_bytes": limits.request_bytes,
        "response_bytes": limits.response_bytes,
        "connect_ms": limits.connect.as_millis() as u64,
        "timeout_ms": limits.timeout.as_millis() as u64,
        "redirects": limits.redirects,
    })
}

fn stats(stats: &PluginStats) -> Value {
    let failures: serde_json::Map<_, _> =
        stats.failures.iter().map(|(class, count)| (class.as_str().to_owned(), json!(count))).collect();
    json!({
        "executions": stats.executions,
        "failures": failures,
        "active": stats.active,
        "waiting": stats.waiting,
        "idle": stats.idle,
        "idle_memory": stats.idle_memory,
        "pool_hits": stats.pool_hits,
        "pool_misses": stats.pool_misses,
        "cache": stats.cache.map(|cache| json!({
            "hits": cache.hits,
            "misses": cache.misses,
            "stale": cache.stale,
            "stores": cache.stores,
            "evictions": cache.evictions,
            "bytes": cache.bytes,
        })),
    })
}
