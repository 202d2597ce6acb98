use std::sync::{Arc, atomic::AtomicU64};

use crate::{
    Grants, Limits, PluginEngine,
    capability::{
        CacheQuota, LogRate, PluginCache, PluginConfig, PluginHttp, PluginKv, PluginMetrics, PluginQueues,
        PluginRateLimits, RateClock,
    },
    compute::ComputingPhases,
    pool::Gate,
    store::PluginContext,
};

/// What is said about a guest, from which its context is made.
pub(crate) struct ContextParts {
    pub(crate) name: Arc<str>,
    pub(crate) version: Box<str>,
    pub(crate) config: PluginConfig,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
}

/// What all instances of a guest share, with what the engine has for it.
pub(crate) fn context(engine: &PluginEngine, parts: ContextParts) -> PluginContext {
    let ContextParts { name, version, config, limits, grants } = parts;
    let log_rate = LogRate::new(limits.log_rate, RateClock(Arc::clone(&engine.0.sources.clock)));
    let (limiter, clock) = (Arc::clone(&engine.0.rate_limiter), Arc::clone(&engine.0.sources.clock));
    let rate_limits = (&*name, &grants.rate_limit);
    let queues = grants.queues.clone();
    let http = Arc::clone(&engine.0.http);
    let (kv_quota, answer_bytes) = (limits.kv, limits.hostcall_bytes);
    let quota = CacheQuota { bytes: limits.cache_bytes, value_bytes: limits.cache_value };
    let quota = grants.cache.then_some(quota);
    let cache = PluginCache::new(&*engine.0.cache, Arc::clone(&engine.0.sources.clock), &name, quota);
    PluginContext {
        cache,
        rate_limits: PluginRateLimits::new(limiter, clock, rate_limits, limits.rate_limit_keys),
        queues: PluginQueues::new(Arc::clone(&engine.0.queues), Arc::clone(&name), queues, limits.own_queues),
        http: PluginHttp::new(Arc::clone(&name), http, grants.http.clone(), limits.http.clone()).into(),
        kv: PluginKv::new(&engine.0.kv, &name, &grants.kv, kv_quota, answer_bytes),
        name,
        config,
        gate: Arc::new(Gate::new(&limits)),
        metrics: PluginMetrics::new(Arc::clone(&engine.0.metrics), limits.metric_series),
        limits,
        grants,
        version,
        log: Arc::clone(&engine.0.log),
        log_rate,
        sources: engine.0.sources.clone(),
        places: Arc::clone(&engine.0.places),
        compute: Arc::clone(&engine.0.compute),
        computing: ComputingPhases::default(),
        ticker: Arc::clone(engine.0.runtimes.ticker()),
        instances: AtomicU64::new(0),
    }
}
