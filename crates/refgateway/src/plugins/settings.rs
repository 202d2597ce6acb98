//! From a config to a plugin.

use http::HeaderValue;
use serde_json::Value;
use wasm_host::{
    BodyReading, CircuitBreaker, ClosedAnswer, FailureAction, FailurePolicy, Grants, Limits, Names, PhasePolicy,
    Plugin, PluginBuilder, PoolPolicy, Reuse, SchemaOrigin,
};

use super::{http_settings, rate_limits, state};
use crate::config::{self, PoolMode, Size, Time};

/// Describes the plugin that a config describes.
pub(super) fn builder(settings: &config::Plugin) -> Result<PluginBuilder, wasm_host::Error> {
    let builder = Plugin::builder(&settings.name)
        .file(&settings.file)
        .config(settings.config.clone())
        .abi_options(settings.abi.clone())
        .scope(settings.matches.scope()?)
        .limits(limits(&settings.limits))
        .grants(grants(&settings.grants))
        .pool(pool(&settings.pool))
        .on_failure(policy(&settings.on_failure))
        .requires(&settings.requires)
        .provides(&settings.provides)
        .priority(settings.priority);
    let config::Bodies { request, response, decode } = settings.bodies;
    let builder = match request {
        Some(given) => builder.request_body(reading(given, decode)),
        None => builder,
    };
    let builder = match response {
        Some(given) => builder.response_body(reading(given, decode)),
        None => builder,
    };
    let builder = match settings.tick {
        Some(every) => builder.tick(every.0),
        None => builder,
    };
    Ok(match settings.circuit_breaker {
        Some(given) => builder.circuit_breaker(circuit_breaker(given)),
        None => builder,
    })
}

/// The operator's schema for the plugin's config, read from its file if it is in one.
pub(super) fn schema(settings: &config::Plugin) -> Result<Option<Value>, wasm_host::Error> {
    let file = match &settings.config_schema {
        Some(Value::String(file)) => file,
        given => return Ok(given.clone()),
    };
    let unusable = |reason| {
        let (plugin, origin) = (settings.name.clone(), SchemaOrigin::Operator);
        wasm_host::Error::SchemaUnusable { plugin, origin, reason }
    };
    let text = std::fs::read(file).map_err(|error| unusable(format!("{file} cannot be read: {error}")))?;
    serde_json::from_slice(&text).map(Some).map_err(|error| unusable(format!("{file} is not JSON: {error}")))
}

fn reading(given: config::BodyMode, decode: bool) -> BodyReading {
    BodyReading { mode: given.0, decode }
}

fn limits(given: &config::PluginLimits) -> Limits {
    let default = Limits::default();
    let bytes = |size: Option<Size>, default: usize| size.map_or(default, Size::as_usize);
    let time = |time: Option<Time>, default| time.map_or(default, |time| time.0);
    Limits {
        memory: given.memory.map_or(default.memory, |size| size.0),
        table_elements: given.table_elements.unwrap_or(default.table_elements),
        cpu: time(given.cpu, default.cpu),
        fuel: given.fuel,
        wall: time(given.wall, default.wall),
        startup: time(given.startup, default.startup),
        hostcalls: given.hostcalls.unwrap_or(default.hostcalls),
        hostcall_bytes: bytes(given.hostcall_bytes, default.hostcall_bytes),
        header_bytes: bytes(given.header_bytes, default.header_bytes),
        response_body: bytes(given.response_body, default.response_body),
        body_bytes: bytes(given.body_bytes, default.body_bytes),
        log_bytes: bytes(given.log_bytes, default.log_bytes),
        body_wait: time(given.body_wait, default.body_wait),
        log_rate: given.log_rate.unwrap_or(default.log_rate),
        http: http_settings::limits(&given.http),
        metric_series: given.metric_series.unwrap_or(default.metric_series),
        rate_limit_keys: given.rate_limit_keys.unwrap_or(default.rate_limit_keys),
        own_queues: given.own_queues.unwrap_or(default.own_queues),
        kv: state::quota(&given.kv),
        cache_bytes: given.cache_bytes.map_or(default.cache_bytes, |size| size.0),
        cache_value: bytes(given.cache_value, default.cache_value),
        concurrency: given.concurrency.map_or(default.concurrency, u32::from),
        queue: given.queue.unwrap_or(default.queue),
    }
}

fn grants(given: &config::Grants) -> Grants {
    Grants {
        upstreams: names(&given.upstreams),
        upstream_timeout: given.upstream_timeout.map(|time| time.0),
        upstream_retries: given.upstream_retries,
        metrics: given.metrics,
        rate_limit: rate_limits::rate_limit_grant(&given.rate_limit),
        queues: rate_limits::queue_grants(&given.queues),
        secrets: names(&given.secrets),
        http: http_settings::grant(&given.http),
        kv: state::kv_grants(&given.kv),
        cache: given.cache,
        env: names(&given.env),
    }
}

fn names(given: &[String]) -> Names {
    match given {
        [] => Names::None,
        names if names.iter().any(|name| name == "*") => Names::All,
        names => Names::Only(names.to_vec()),
    }
}

fn pool(given: &config::Pool) -> PoolPolicy {
    match given.mode {
        PoolMode::Fresh => PoolPolicy::Fresh,
        PoolMode::Reuse => PoolPolicy::Reuse(Reuse {
            max_idle: given.max_idle.unwrap_or(Reuse::default().max_idle),
            max_uses: given.max_uses.map(u32::from),
            max_age: given.max_age.map(|age| age.0),
            max_memory: given.max_memory.map(|memory| memory.0),
        }),
    }
}

fn policy(given: &config::OnFailure) -> FailurePolicy {
    let PhasePolicy { default, classes } = actions(&given.actions);
    FailurePolicy {
        default: default.unwrap_or_else(FailureAction::closed),
        classes,
        phases: given.phases.iter().map(|(phase, given)| (*phase, actions(given))).collect(),
        expose_header: given.expose_header.clone(),
    }
}

fn actions(given: &config::FailureActions) -> PhasePolicy {
    PhasePolicy {
        default: given.default.as_ref().map(action),
        classes: given.classes.iter().map(|(class, given)| (*class, action(given))).collect(),
    }
}

fn action(given: &config::FailureAction) -> FailureAction {
    match given {
        config::FailureAction::Closed(answer) => FailureAction::Closed(closed(answer)),
        config::FailureAction::Open => FailureAction::Open,
        config::FailureAction::OpenTag(header) => FailureAction::OpenTag(header.clone()),
        config::FailureAction::RetryFresh => FailureAction::RetryFresh,
    }
}

fn closed(given: &config::ClosedAnswer) -> ClosedAnswer {
    let text = given.body.as_ref().map(|_| HeaderValue::from_static("text/plain; charset=utf-8"));
    ClosedAnswer {
        status: given.status,
        body: given.body.clone().unwrap_or_default().into(),
        content_type: given.content_type.clone().or(text),
    }
}

fn circuit_breaker(given: config::CircuitBreaker) -> CircuitBreaker {
    CircuitBreaker { failures: given.failures, window: given.window.0, cooldown: given.cooldown.0 }
}
