use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use bytes::Bytes;
use serde_json::Value;

use crate::{
    BodyMode, BodyReading, CircuitBreaker, CircuitState, Digest, Error, Failure, FailureClass, FailurePolicy, Grants,
    Limits, Phase, Phases, PluginEngine, PluginObserver, PluginStats, PoolPolicy, Result, WatchedFailures,
    abi::{Declared, GuestPre},
    breaker::Breaker,
    capability::{PluginConfig, PluginMetrics},
    compile::{CompiledCode, Source},
    metrics::Counters,
    pool::{Permit, Pool},
    store::{Instance, PluginContext, Startup},
};

/// A plugin that is ready to be put in chains: compiled code with its configuration, limits and grants.
///
/// Cloning is cheap and gives the same plugin, with the same instances.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    context: Arc<PluginContext>,
    engine: PluginEngine,
    code: Code,
    phases: Phases,
    declared: Declared,
    pool: Arc<Pool>,
    policy: FailurePolicy,
    breaker: Option<Breaker>,
    priority: i32,
    counters: Counters,
    observer: Arc<dyn PluginObserver>,
}

enum Code {
    Loaded {
        compiled: Arc<CompiledCode>,
        pre: Box<dyn GuestPre>,
        digest: Digest,
    },
    /// Every call fails with `not-loaded` and this reason.
    Absent(String),
}

impl Plugin {
    /// Starts describing a plugin.
    pub fn builder(name: impl Into<String>) -> PluginBuilder {
        PluginBuilder {
            name: name.into(),
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

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.0.context.name
    }

    /// Its place in a chain: lower first.
    pub fn priority(&self) -> i32 {
        self.0.priority
    }

    /// The digest of its file; none for a plugin without code.
    pub fn digest(&self) -> Option<Digest> {
        match &self.0.code {
            Code::Loaded { digest, .. } => Some(*digest),
            Code::Absent(_) => None,
        }
    }

    /// The name of its ABI; none for a plugin without code.
    pub fn abi(&self) -> Option<&'static str> {
        match &self.0.code {
            Code::Loaded { compiled, .. } => Some(compiled.abi().id()),
            Code::Absent(_) => None,
        }
    }

    /// The phases in which it is called.
    pub fn phases(&self) -> Phases {
        self.0.phases
    }

    /// How it reads the bodies of requests, where it does not say otherwise of one.
    pub fn request_body(&self) -> BodyReading {
        self.0.declared.request_body
    }

    /// How it reads the bodies of responses, where it does not say otherwise of one.
    pub fn response_body(&self) -> BodyReading {
        self.0.declared.response_body
    }

    /// The failures that its error phase sees.
    pub fn watched(&self) -> WatchedFailures {
        self.0.declared.failures
    }

    /// Its limits.
    pub fn limits(&self) -> &Limits {
        &self.0.context.limits
    }

    /// How its circuit is now; none without a [circuit breaker](PluginBuilder::circuit_breaker).
    pub fn circuit(&self) -> Option<CircuitState> {
        self.0.breaker.as_ref().map(|breaker| breaker.state(Instant::now()))
    }

    /// What it has done so far, and what it holds now.
    pub fn stats(&self) -> PluginStats {
        let (idle, idle_memory) = self.0.pool.idle();
        PluginStats {
            active: self.0.pool.active(),
            waiting: self.0.pool.waiting(),
            idle,
            idle_memory,
            circuit: self.circuit(),
            ..self.0.counters.read()
        }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.0.context.name
    }

    pub(crate) fn policy(&self) -> &FailurePolicy {
        &self.0.policy
    }

    pub(crate) fn reading(&self, phase: Phase) -> BodyReading {
        if phase == Phase::RequestBody { self.request_body() } else { self.response_body() }
    }

    pub(crate) fn breaker(&self) -> Option<&Breaker> {
        self.0.breaker.as_ref()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(crate) fn observer(&self) -> &dyn PluginObserver {
        &*self.0.observer
    }

    /// An instance for an exchange: one that waits, or a new one.
    pub(crate) async fn check_out(&self) -> Result<Seat, Failure> {
        let permit = self.0.pool.enter().await?;
        let instance = match self.0.pool.take() {
            Some(instance) => {
                self.0.counters.pool_hits.fetch_add(1, Relaxed);
                instance
            }
            None => self.fresh_instance().await?,
        };
        Ok(Seat { instance, plugin: self.clone(), permit })
    }

    /// An instance that nobody has used.
    pub(crate) async fn check_out_fresh(&self) -> Result<Seat, Failure> {
        let permit = self.0.pool.enter().await?;
        Ok(Seat { instance: self.fresh_instance().await?, plugin: self.clone(), permit })
    }

    async fn fresh_instance(&self) -> Result<Instance, Failure> {
        self.0.counters.pool_misses.fetch_add(1, Relaxed);
        self.0.start_instance().await.map_err(|startup| match startup {
            Startup::Failed(failure) => failure,
            Startup::ConfigRefused(message) => {
                Failure::new(FailureClass::GuestError, format!("refuses its config: {message}"))
            }
        })
    }
}

impl Inner {
    /// Puts the operator's word in the place of the guest's, and checks that it can be held.
    fn set_readings(&mut self, wanted: [(&'static str, Option<BodyReading>); 2]) -> Result<()> {
        let Phases { request_body, response_body, .. } = self.phases;
        let declared = [&mut self.declared.request_body, &mut self.declared.response_body];
        let limit = self.context.limits.body_bytes;
        for (((phase, wanted), declared), has_phase) in
            wanted.into_iter().zip(declared).zip([request_body, response_body])
        {
            let plugin = || self.context.name.to_string();
            *declared = wanted.unwrap_or(*declared);
            if !has_phase && declared.mode != BodyMode::None {
                return Err(Error::NoBodyPhase { plugin: plugin(), phase });
            }
            if declared.mode.held_bytes() as usize > limit {
                return Err(Error::BodyMode { plugin: plugin(), phase, mode: declared.mode, limit });
            }
        }
        Ok(())
    }

    /// Makes an instance. When the engine is full, an idle one makes room.
    async fn start_instance(&self) -> Result<Instance, Startup> {
        let pre = match &self.code {
            Code::Loaded { pre, .. } => &**pre,
            Code::Absent(reason) => {
                return Err(Startup::Failed(Failure::new(FailureClass::NotLoaded, reason.as_str())));
            }
        };
        loop {
            match Instance::start(&self.engine.0.wasm, &self.context, pre).await {
                Err(Startup::Failed(failure))
                    if failure.class == FailureClass::Saturated && self.engine.0.evict_idle() => {}
                started => return started,
            }
        }
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name())
            .field("abi", &self.abi())
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

/// An instance that an exchange holds. Dropped, the instance is gone: only [`Seat::give_back`] may keep it.
pub(crate) struct Seat {
    pub(crate) instance: Instance,
    plugin: Plugin,
    permit: Permit,
}

impl Seat {
    /// Returns an instance whose last call returned cleanly.
    pub(crate) fn give_back(self) {
        let Self { instance, plugin, permit } = self;
        if instance.holds_nothing() {
            plugin.0.pool.put(instance);
        }
        drop(permit);
    }
}

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
        let context = PluginContext {
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
