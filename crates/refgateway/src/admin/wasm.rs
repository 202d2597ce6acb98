//! `/wasm`: the modules of sgl-model-gateway, listed, deployed and removed in the words of its management API.
//!
//! A deployed module is a plugin like any other, in the chain of every route.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasm_host::PluginStats;

use super::{
    change::{Addition, Change, Refused},
    reply::Reply,
};
use crate::{
    compat::{Descriptor, module_plugin},
    config::{DeployedModule, Origin, Plugin},
    error::Error,
    plugins::{LoadedPlugin, PluginError},
    server::Shared,
};

/// Below this path.
pub(super) const PATH: &str = "/wasm";

/// The ABI that modules are of.
const ABI: &str = "sgl";

/// Answers a request for a path below [`PATH`]. Deploying compiles, which may take seconds: not for an async thread.
pub(super) fn answer(shared: &Shared, method: &Method, path: &str, body: &Bytes) -> Reply {
    let segments: Vec<_> = path.strip_prefix(PATH).unwrap_or_default().split('/').skip(1).collect();
    match (method, segments.as_slice()) {
        (&Method::GET | &Method::HEAD, []) => list(shared),
        (&Method::POST, []) => match serde_json::from_slice(body) {
            Ok(request) => deploy(shared, request),
            Err(error) => Reply::error(StatusCode::BAD_REQUEST, &format!("the body: {error}")),
        },
        (_, []) => Reply::method_not_allowed("GET, HEAD, POST"),
        (&Method::DELETE, [uuid]) => remove(shared, uuid),
        (_, [_]) => Reply::method_not_allowed("DELETE"),
        _ => Reply::not_found(path),
    }
}

#[derive(Deserialize)]
struct Request {
    modules: Vec<Descriptor>,
}

/// A module as it was described, with what became of it.
#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    module: Descriptor,
    add_result: AddResult,
}

#[derive(Serialize)]
enum AddResult {
    Success(String),
    Error(String),
}

/// Deploys one after the other: what is wrong with one keeps no other from being deployed.
fn deploy(shared: &Shared, request: Request) -> Reply {
    if request.modules.is_empty() {
        return Reply::error(StatusCode::BAD_REQUEST, "the body: `modules` is empty");
    }
    let mut status = StatusCode::OK;
    let deploy = |module| {
        let add_result = deploy_one(shared, &module).map_or_else(
            |reason| {
                tracing::warn!(name = module.name, reason, "module is not deployed");
                status = StatusCode::BAD_REQUEST;
                AddResult::Error(reason)
            },
            AddResult::Success,
        );
        Added { module, add_result }
    };
    let modules: Vec<_> = request.modules.into_iter().map(deploy).collect();
    Reply::json(&json!({ "modules": modules })).with_status(status)
}

/// The UUID of the new module.
fn deploy_one(shared: &Shared, module: &Descriptor) -> Result<String, String> {
    let plugin = module_plugin(&shared.gateway().config, module).map_err(|refused| refused.to_string())?;
    let (name, origin) = (plugin.name.clone(), plugin.origin.clone());
    let change = Change::Load(Box::new(Addition::on_every_route(plugin)));
    match shared.edit(&name, |config| change.apply(&name, config)) {
        Ok(Ok(())) => deployed(&origin).map(|module| module.uuid.clone()).ok_or_else(|| "it is no module".to_owned()),
        Ok(Err(refused)) => Err(refused.to_string()),
        Err(Error::Plugins(errors)) => Err(errors.iter().map(why_not).collect::<Vec<_>>().join("; ")),
        Err(error) => Err(error.to_string()),
    }
}

/// Why a file that is a component is no module.
fn why_not(error: &PluginError) -> String {
    match &error.error {
        wasm_host::Error::AbiOptions { abi, .. } if *abi != ABI => {
            format!("the file is a plugin of the {abi} ABI, and no module: load it with POST /api/plugins")
        }
        _ => error.to_string(),
    }
}

fn remove(shared: &Shared, uuid: &str) -> Reply {
    let gateway = shared.gateway();
    let is_it = |plugin: &Plugin| deployed(&plugin.origin).is_some_and(|module| module.uuid.eq_ignore_ascii_case(uuid));
    let unknown = || Reply::error(StatusCode::BAD_REQUEST, &format!("there is no module with the UUID `{uuid}`"));
    let Some(Plugin { name, .. }) = gateway.config.plugins.iter().find(|plugin| is_it(plugin)) else {
        return unknown();
    };
    let removed = shared.edit(name, |config| match config.plugins.iter().any(is_it) {
        true => Change::Unload.apply(name, config),
        // Somebody else was faster, and another module may have the name by now.
        false => Err(Refused::Unknown(name.clone())),
    });
    match removed {
        Ok(Ok(())) => Reply::json(&json!({ "module_uuid": uuid, "state": "gone" })),
        Ok(Err(_)) => unknown(),
        Err(error) => Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn list(shared: &Shared) -> Reply {
    let gateway = shared.gateway();
    let loaded = gateway.plugins.iter().filter_map(|loaded| Some((loaded, deployed(&loaded.settings.origin)?)));
    let mut total = Total::default();
    let describe = |(loaded, module): (&Arc<LoadedPlugin>, &DeployedModule)| {
        let stats = loaded.plugin.as_ref().map(wasm_host::Plugin::stats).unwrap_or_default();
        total.add(&stats);
        describe(loaded, module, &stats)
    };
    let modules: Vec<_> = loaded.map(describe).collect();
    Reply::json(&json!({ "modules": modules, "metrics": total.describe() }))
}

fn describe(loaded: &LoadedPlugin, module: &DeployedModule, stats: &PluginStats) -> Value {
    let digest = loaded.plugin.as_ref().and_then(wasm_host::Plugin::digest).map(|digest| digest.to_string());
    let accessed = stats.last_execution.unwrap_or(module.created_at);
    json!({
        "module_uuid": module.uuid,
        "module_meta": {
            "name": loaded.settings.name,
            "file_path": module.file_path,
            "sha256_hash": digest.as_deref().map(|digest| digest.trim_start_matches("sha256:")),
            "size_bytes": module.size_bytes,
            "created_at": humantime::format_rfc3339(module.created_at).to_string(),
            "last_accessed_at": humantime::format_rfc3339(accessed).to_string(),
            "access_count": stats.executions,
            "attach_points": module.attach_points,
        },
    })
}

fn deployed(origin: &Origin) -> Option<&DeployedModule> {
    match origin {
        Origin::Deployed(module) => Some(module),
        _ => None,
    }
}

/// What all modules that are deployed now have done.
#[derive(Default)]
struct Total {
    executions: u64,
    failed: u64,
    time: Duration,
    longest: Duration,
}

impl Total {
    fn add(&mut self, stats: &PluginStats) {
        self.executions += stats.executions;
        self.failed += stats.failures.iter().map(|(_, count)| count).sum::<u64>();
        self.time += stats.execution_time;
        self.longest = self.longest.max(stats.longest_execution);
    }

    fn describe(&self) -> Value {
        let mut metrics = json!({
            "total_executions": self.executions,
            "successful_executions": self.executions.saturating_sub(self.failed),
            "failed_executions": self.failed,
            "total_execution_time_ms": self.time.as_millis() as u64,
            "max_execution_time_ms": self.longest.as_millis() as u64,
        });
        if let (1.., Some(fields)) = (self.executions, metrics.as_object_mut()) {
            let average = self.time.as_secs_f64() * 1000.0 / self.executions as f64;
            fields.insert("average_execution_time_ms".to_owned(), json!(average));
        }
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_average_of_nothing() {
        let nothing = Total::default().describe();
        assert_eq!((&nothing["total_executions"], nothing.get("average_execution_time_ms")), (&json!(0), None));
        let total =
            Total { executions: 4, failed: 1, time: Duration::from_millis(6), longest: Duration::from_millis(3) };
        let expected = json!({
            "total_executions": 4,
            "successful_executions": 3,
            "failed_executions": 1,
            "total_execution_time_ms": 6,
            "max_execution_time_ms": 3,
            "average_execution_time_ms": 1.5,
        });
        assert_eq!(total.describe(), expected);
    }
}
