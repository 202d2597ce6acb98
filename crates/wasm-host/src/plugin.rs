mod builder;
mod configure;
mod context;
mod test_input;
mod ticks;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::builder::PluginBuilder;
pub(crate) use self::{
    configure::read_schema,
    context::{ContextParts, context},
};
use crate::{
    BodyMode, BodyReading, CircuitState, Digest, Error, Failure, FailureClass, FailurePolicy, Limits, Phase, Phases,
    PluginEngine, PluginObserver, PluginStats, Result, Scope, SecretSource, WatchedFailures,
    abi::{Declared, GuestPre},
    breaker::Breaker,
    compile::CompiledCode,
    metrics::Counters,
    pool::Pool,
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
    requires: Vec<String>,
    provides: Vec<String>,
    scope: Scope,
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

impl Code {
    fn abi(&self) -> Option<&'static str> {
        match self {
            Self::Loaded { compiled, .. } => Some(compiled.abi().id()),
            Self::Absent(_) => None,
        }
    }

    fn digest(&self) -> Option<Digest> {
        match self {
            Self::Loaded { digest, .. } => Some(*digest),
            Self::Absent(_) => None,
        }
    }
}

impl Plugin {
    /// Starts describing a plugin.
    pub fn builder(name: impl Into<String>) -> PluginBuilder {
        PluginBuilder::new(name.into())
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.0.context.name
    }

    /// Its place in a chain: lower first.
    pub fn priority(&self) -> i32 {
        self.0.priority
    }

    /// The properties that it cannot do without.
    pub fn requires(&self) -> &[String] {
        &self.0.requires
    }

    /// The properties that it sets for later plugins.
    pub fn provides(&self) -> &[String] {
        &self.0.provides
    }

    /// The digest of its file; none for a plugin without code.
    pub fn digest(&self) -> Option<Digest> {
        self.0.code.digest()
    }

    /// The name of its ABI; none for a plugin without code.
    pub fn abi(&self) -> Option<&'static str> {
        self.0.code.abi()
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

    /// Whether loading it with this configuration and these secrets, under the grants it has, would configure it as it is
    /// now. False when a secret cannot be had. May read files; false for a plugin without code.
    pub fn has_config(&self, config: &serde_json::Value, secrets: &dyn SecretSource) -> bool {
        let PluginContext { config: current, grants, .. } = &*self.0.context;
        self.digest().is_some() && current.is_current(config, &grants.secrets, secrets)
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
            log_dropped: self.0.context.log_rate.dropped(),
            circuit: self.circuit(),
            cache: self.0.context.cache.stats(),
            ..self.0.counters.read()
        }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.0.context.name
    }

    /// Which exchanges of its routes it is for.
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// Whether its body phases are about whole messages.
    pub(crate) fn takes_whole_messages(&self) -> bool {
        self.0.declared.whole_messages
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

    /// An instance for an exchange: one that waits, or a new one. Dropped, it is gone: only
    /// [`give_back`](Self::give_back) may keep it.
    pub(crate) async fn check_out(&self) -> Result<Box<Instance>, Failure> {
        let entered = self.0.pool.enter().await?;
        let mut instance = match self.0.pool.take() {
            Some(instance) => {
                self.0.counters.checked_out(true);
                instance
            }
            None => self.fresh_instance().await?,
        };
        instance.permit.hold(entered);
        Ok(instance)
    }

    /// An instance that nobody has used.
    pub(crate) async fn check_out_fresh(&self) -> Result<Box<Instance>, Failure> {
        let entered = self.0.pool.enter().await?;
        let mut instance = self.fresh_instance().await?;
        instance.permit.hold(entered);
        Ok(instance)
    }

    /// Takes an instance back whose last call returned cleanly.
    pub(crate) fn give_back(&self, mut instance: Box<Instance>) {
        if instance.holds_nothing() {
            self.0.pool.put(instance);
        }
    }

    async fn fresh_instance(&self) -> Result<Box<Instance>, Failure> {
        self.0.counters.checked_out(false);
        // Boxed: calls on an instance that is kept have no use for the room that it takes.
        Box::pin(self.0.start_instance()).await.map_err(|startup| match startup {
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
        let whole_messages = self.declared.whole_messages;
        let declared = [&mut self.declared.request_body, &mut self.declared.response_body];
        let limit = self.context.limits.body_bytes;
        // Without the bodies of requests a plugin that sees no headers alone would see nothing that it may have to refuse.
        let may_go_without = [self.phases.request, true];
        for ((((phase, wanted), declared), has_phase), may_go_without) in
            wanted.into_iter().zip(declared).zip([request_body, response_body]).zip(may_go_without)
        {
            let plugin = || self.context.name.to_string();
            let decodes = declared.decode;
            *declared = wanted.unwrap_or(*declared);
            // Whoever only sets how much is held does not mean to hide what is compressed from a firewall.
            declared.decode |= whole_messages && decodes;
            let is_whole = match declared.mode {
                BodyMode::Buffer(_) => true,
                BodyMode::None => may_go_without,
                _ => false,
            };
            if has_phase && whole_messages && !is_whole {
                return Err(Error::WholeMessages { plugin: plugin(), phase, mode: declared.mode });
            }
            if !has_phase && declared.mode != BodyMode::None {
                return Err(Error::NoBodyPhase { plugin: plugin(), phase });
            }
            if declared.mode.held_bytes() as usize > limit {
                return Err(Error::BodyMode { plugin: plugin(), phase, mode: declared.mode, limit });
            }
        }
        Ok(())
    }

    /// Puts the operator's word in the place of the guest's, and checks that it can be held.
    fn set_tick(&mut self, wanted: Option<Duration>) -> Result<()> {
        self.declared.tick = wanted.or(self.declared.tick);
        match self.declared.tick {
            Some(_) if !self.phases.tick => Err(Error::NoTickPhase { plugin: self.context.name.to_string() }),
            Some(every) if every < ticks::SHORTEST => {
                Err(Error::Tick { plugin: self.context.name.to_string(), every, shortest: ticks::SHORTEST })
            }
            _ => Ok(()),
        }
    }

    /// Makes an instance. When the engine is full, an idle one makes room.
    async fn start_instance(&self) -> Result<Box<Instance>, Startup> {
        let (pre, engine) = match &self.code {
            Code::Loaded { pre, compiled, .. } => (&**pre, compiled.engine()),
            Code::Absent(reason) => {
                return Err(Startup::Failed(Failure::new(FailureClass::NotLoaded, reason.as_str())));
            }
        };
        loop {
            match Instance::start(engine, &self.context, pre).await {
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
