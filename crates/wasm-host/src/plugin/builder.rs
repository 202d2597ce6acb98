use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use serde_json::Value;

use super::{Code, Inner, Plugin};
use crate::{
    BodyReading, CircuitBreaker, Error, FailurePolicy, Grants, Limits, Phases, PluginEngine, PoolPolicy, Result,
    abi::Declared,
    breaker::Breaker,
    capability::{PluginConfig, PluginKv, PluginMetrics},
    compile::Source,
    metrics::Counters,
    pool::Pool,
    store::{PluginContext, Startup},
};

/// Describes a [`Plugin`].
#[derive(Debug)]
#[must_use]
pub struct PluginBuilder {
    name: String,
    source: Option<Origin>,
    config: Value,
    limits: Limits,
    grants: Grants,
    pool: PoolPolicy,
    policy: FailurePolicy,
    circuit_breaker: Option<CircuitBreaker>,
    priority: i32,
    request_body: Option<BodyReading>,
    response_body: Option<BodyReading>,
}

#[derive(Clone, Debug)]
enum Origin {
    Bytes(Bytes),
    File(PathBuf),
}

impl Origin {
    fn read(self) -> Result<Source> {
        match self {
            Self::Bytes(bytes) => Ok(Source::new(bytes)),
            Self::File(path) => std::fs::read(&path).map(Source::new).map_err(|source| Error::File { path, source }),
        }
    }
}

impl PluginBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            source: None,
            config: Value::Null,
            limits: Limits::default(),
            grants: Grants::default(),
            pool: PoolPolicy::default(),
            policy: FailurePolicy::default(),
            circuit_breaker: None,
            priority: 0,
            request_body: None,
            response_body: None,
        }
    }

    /// The plugin's code: a component or a core module in the binary format.
    pub fn bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.source = Some(Origin::Bytes(bytes.into()));
        self
    }

    /// A file with the plugin's code, read when the plugin is loaded.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Some(Origin::File(path.into()));
        self
    }

    /// The configuration handed to the guest. The default is `null`.
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// What it may use. The default is [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What it may ask the host for. The default is nothing.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// What becomes of its instances. The default is [`PoolPolicy::Fresh`].
    pub fn pool(mut self, policy: PoolPolicy) -> Self {
        self.pool = policy;
        self
    }

    /// What happens when it fails. The default closes on every failure.
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How it reads the bodies of requests, in place of what it declares itself. What it says of a single request still
    /// comes before this.
    pub fn request_body(mut self, reading: impl Into<BodyReading>) -> Self {
        self.request_body = Some(reading.into());
        self
    }

    /// How it reads the bodies of responses, in place of what it declares itself.
    pub fn response_body(mut self, reading: impl Into<BodyReading>) -> Self {
        self.response_body = Some(reading.into());
        self
    }

    /// When it is not called for a while because it failed too often. The default is never.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.circuit_breaker = Some(breaker);
        self
    }

    /// Its place in a chain: lower first, equals in the order they were given. The default is 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Reads, compiles and links the code, makes one instance and configures it. That instance is kept when the
    /// pool policy keeps instances.
    ///
    /// Compiling runs on tokio's blocking threads. Dropping the future abandons the plugin; a compilation under way
    /// goes on to its end.
    pub async fn load(self, engine: &PluginEngine) -> Result<Plugin> {
        let (compiled, pre, digest) = {
            let origin = self.source.clone().ok_or_else(|| Error::NoCode { plugin: self.name.clone() })?;
            let engine = engine.clone();
            let compiled = tokio::task::spawn_blocking(move || {
                let source = origin.read()?;
                let compiled = engine.0.compiler.compile(&source)?;
                let pre = compiled.link()?;
                Ok((compiled, pre, source.digest))
            });
            compiled.await.map_err(|error| Error::Compile { reason: error.to_string() })??
        };
        let phases = pre.phases();
        let wanted = [("request", self.request_body), ("response", self.response_body)];
        let mut inner = self.assemble(engine, Code::Loaded { compiled, pre, digest }, phases);
        let name = inner.context.name.to_string();
        let mut instance = match inner.start_instance().await {
            Ok(instance) => instance,
            Err(Startup::Failed(failure)) => return Err(Error::Start { plugin: name, failure }),
            Err(Startup::ConfigRefused(message)) => return Err(Error::ConfigRefused { plugin: name, message }),
        };
        inner.declared = match instance.declare().await {
            Ok(declared) => declared,
            Err(failure) => return Err(Error::Start { plugin: name, failure }),
        };
        inner.pool.put(instance);
        inner.set_readings(wanted)?;
        Ok(Plugin(Arc::new(inner)))
    }

    /// A plugin without code, for a chain that must be served although this plugin could not be loaded: each request
    /// fails with the class `not-loaded`, and the plugin's failure policy decides.
    pub fn absent(self, engine: &PluginEngine, reason: impl Into<String>) -> Plugin {
        let phases = Phases { request: true, ..Phases::default() };
        Plugin(Arc::new(self.assemble(engine, Code::Absent(reason.into()), phases)))
    }

    fn assemble(self, engine: &PluginEngine, code: Code, phases: Phases) -> Inner {
        let pool = Arc::new(Pool::new(&self.pool, &self.limits));
        engine.0.share(&pool);
        let observer = engine.0.observer.plugin(&self.name);
        let (quota, answer_bytes) = (self.limits.kv, self.limits.hostcall_bytes);
        let context = PluginContext {
            kv: PluginKv::new(&engine.0.kv, &self.name, &self.grants.kv, quota, answer_bytes),
            name: self.name.into(),
            config: PluginConfig::new(&self.config),
            metrics: PluginMetrics::new(Arc::clone(&engine.0.metrics), self.limits.metric_series),
            limits: self.limits,
            grants: self.grants,
            log: Arc::clone(&engine.0.log),
        };
        let breaker = self.circuit_breaker.map(|policy| Breaker::new(policy, Arc::clone(&context.name)));
        Inner {
            context: Arc::new(context),
            engine: engine.clone(),
            code,
            phases,
            declared: Declared::default(),
            pool,
            policy: self.policy,
            breaker,
            priority: self.priority,
            counters: Counters::default(),
            observer,
        }
    }
}
