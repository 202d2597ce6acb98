//! `/api/plugins`: list, load, replace, enable, disable, unload.
//!
//! Every change is a change of the config, applied like a reload: all of it or nothing. A later reload of the config
//! file replaces what was changed here.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use wasm_host::PluginStats;

use super::reply::Reply;
use crate::{
    config::{self, Config},
    error::Error,
    plugins::LoadedPlugin,
    server::Shared,
};

/// Below this path.
pub(super) const PATH: &str = "/api/plugins";

/// Answers a request for a path below [`PATH`]. Loading compiles, which may take seconds: not for an async thread.
pub(super) fn answer(shared: &Shared, method: &Method, path: &str, body: &Bytes) -> Reply {
    let mut rest = path.strip_prefix(PATH).unwrap_or_default().split('/').skip(1);
    match (method, rest.next(), rest.next(), rest.next()) {
        (&Method::GET | &Method::HEAD, None, ..) => list(shared),
        (&Method::POST, None, ..) => parsed(body, |addition| apply(shared, StatusCode::CREATED, load(addition))),
        (_, None, ..) => Reply::method_not_allowed("GET, HEAD, POST"),
        (&Method::GET | &Method::HEAD, Some(name), None, _) => show(shared, name),
        (&Method::PUT, Some(name), None, _) => parsed(body, |plugin| apply(shared, StatusCode::OK, replace(name, plugin))),
        (&Method::DELETE, Some(name), None, _) => apply(shared, StatusCode::OK, unload(name)),
        (_, Some(_), None, _) => Reply::method_not_allowed("GET, HEAD, PUT, DELETE"),
        (&Method::POST, Some(name), Some("enable"), None) => apply(shared, StatusCode::OK, switch(name, true)),
        (&Method::POST, Some(name), Some("disable"), None) => apply(shared, StatusCode::OK, switch(name, false)),
        (_, Some(_), Some("enable" | "disable"), None) => Reply::method_not_allowed("POST"),
        _ => Reply::not_found(path),
    }
}

/// A plugin to be loaded, and the routes whose chains it joins.
#[derive(Deserialize)]
struct Addition {
    plugin: config::Plugin,
    /// Names of routes, or `*` for the chain that every route carries. Absent: the plugin is in no chain yet.
    #[serde(default)]
    routes: Vec<String>,
}

/// Why a change is refused before anything is built.
struct Refused(StatusCode, String);

/// What a change does to the config, and the plugin it is about.
struct Change<'a> {
    name: String,
    edit: Box<dyn FnOnce(&mut Config) -> Result<(), Refused> + 'a>,
}

fn load<'a>(Addition { plugin, routes }: Addition) -> Change<'a> {
    let name = plugin.name.clone();
    let edit = move |config: &mut Config| {
        if config.plugins.iter().any(|known| known.name == plugin.name) {
            let reason = format!("there is a plugin `{}`; replace it with PUT {PATH}/{}", plugin.name, plugin.name);
            return Err(Refused(StatusCode::CONFLICT, reason));
        }
        for route in routes {
            let chain = match config.routes.iter_mut().find(|known| known.name == route) {
                Some(route) => &mut route.chain,
                None if route == "*" => &mut config.chain,
                None => return Err(Refused(StatusCode::UNPROCESSABLE_ENTITY, format!("there is no route `{route}`"))),
            };
            chain.push(plugin.name.clone());
        }
        config.plugins.push(plugin);
        Ok(())
    };
    Change { name, edit: Box::new(edit) }
}

fn replace(name: &str, plugin: config::Plugin) -> Change<'_> {
    let edit = move |config: &mut Config| {
        if plugin.name != name {
            let reason = format!("the plugin in the body is called `{}`, the one in the path `{name}`", plugin.name);
            return Err(Refused(StatusCode::UNPROCESSABLE_ENTITY, reason));
        }
        *find(config, name)? = plugin;
        Ok(())
    };
    Change { name: name.to_owned(), edit: Box::new(edit) }
}

fn switch(name: &str, enabled: bool) -> Change<'_> {
    let edit = move |config: &mut Config| {
        find(config, name)?.enabled = enabled;
        Ok(())
    };
    Change { name: name.to_owned(), edit: Box::new(edit) }
}

fn unload(name: &str) -> Change<'_> {
    let edit = move |config: &mut Config| {
        find(config, name)?;
        config.plugins.retain(|plugin| plugin.name != name);
        let chains = [&mut config.chain].into_iter();
        let chains = chains.chain(config.services.iter_mut().map(|service| &mut service.chain));
        let chains = chains.chain(config.routes.iter_mut().map(|route| &mut route.chain));
        chains.for_each(|chain| chain.retain(|plugin| plugin != name));
        Ok(())
    };
    Change { name: name.to_owned(), edit: Box::new(edit) }
}

fn find<'a>(config: &'a mut Config, name: &str) -> Result<&'a mut config::Plugin, Refused> {
    config.plugins.iter_mut().find(|plugin| plugin.name == name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Refused {
    Refused(StatusCode::NOT_FOUND, format!("there is no plugin `{name}`"))
}

fn apply(shared: &Shared, done: StatusCode, change: Change<'_>) -> Reply {
    let Change { name, edit } = change;
    match shared.edit(edit) {
        Ok(Ok(())) => match shared.gateway().plugins.iter().find(|plugin| plugin.settings.name == name) {
            Some(plugin) => Reply::json(&describe(plugin)).with_status(done),
            None => Reply::json(&json!({ "name": name, "state": "gone" })),
        },
        Ok(Err(Refused(status, reason))) => Reply::error(status, &reason),
        Err(error @ (Error::Config(_) | Error::Plugins(_))) => {
            Reply::error(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string())
        }
        Err(error) => Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(body: &Bytes, then: impl FnOnce(T) -> Reply) -> Reply {
    match serde_json::from_slice(body) {
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
        None => Reply::error(StatusCode::NOT_FOUND, &unknown(name).1),
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
    });
    if let (Some(plugin), Some(fields)) = (&loaded.plugin, description.as_object_mut()) {
        let phases = plugin.phases();
        let named = [
            ("request", phases.request),
            ("response", phases.response),
            ("error", phases.error),
            ("complete", phases.complete),
        ];
        let phases: Vec<_> = named.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
        fields.insert("abi".into(), json!(plugin.abi()));
        fields.insert("digest".into(), json!(plugin.digest().map(|digest| digest.to_string())));
        fields.insert("phases".into(), json!(phases));
        fields.insert("limits".into(), limits(plugin.limits()));
        fields.insert("stats".into(), stats(&plugin.stats()));
    }
    description
}

fn limits(limits: &wasm_host::Limits) -> Value {
    json!({
        "memory": limits.memory,
        "table_elements": limits.table_elements,
        "cpu_ms": limits.cpu.as_millis() as u64,
        "wall_ms": limits.wall.as_millis() as u64,
        "startup_ms": limits.startup.as_millis() as u64,
        "hostcalls": limits.hostcalls,
        "hostcall_bytes": limits.hostcall_bytes,
        "header_bytes": limits.header_bytes,
        "response_body": limits.response_body,
        "log_bytes": limits.log_bytes,
        "concurrency": limits.concurrency,
        "queue": limits.queue,
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
    })
}
