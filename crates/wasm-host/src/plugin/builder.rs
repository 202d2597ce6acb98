use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::Value;

use super::{Code, ContextParts, Inner, Plugin, configure::Configuring, context::context};
use crate::{
    BodyReading, CircuitBreaker, Digest, Error, FailurePolicy, Grants, Limits, Phases, PluginEngine, PoolPolicy,
    Result, Scope, SecretSource,
    abi::{AbiOptions, Declared},
    breaker::Breaker,
    capability::PluginConfig,
    compile::{CompiledCode, Source},
    metrics::Counters,
    pool::Pool,
    runtime::Runtimes,
    store::Startup,
};

/// Describes a [`Plugin`].
#[must_use]
pub struct PluginBuilder {
    name: String,
    source: Option<Origin>,
    config: Value,
    config_schema: Option<Value>,
    abi_options: Value,
    scope: Scope,
    secrets: Option<Arc<dyn SecretSource>>,
    limits: Limits,
    grants: Grants,
    pool: PoolPolicy,
    policy: FailurePolicy,
    circuit_breaker: Option<CircuitBreaker>,
    version: Option<String>,
    tick: Option<Duration>,
    requires: Vec<String>,
    provides: Vec<String>,
    priority: i32,
    request_body: Option<BodyReading>,
    response_body: Option<BodyReading>,
}

enum Origin {
    Bytes(Bytes),
    File(PathBuf),
    Loaded(Arc<CompiledCode>, Digest),
}

impl Origin {
    fn compile(self, runtimes: &Runtimes, counts_fuel: bool) -> Result<(Arc<CompiledCode>, Digest)> {
        let source = match self {
            Self::Bytes(bytes) => Source::new(bytes),
            Self::File(path) => Source::of_file(path)?,
            Self::Loaded(code, digest) => return Ok((code, digest)),
        };
        Ok((runtimes.compiler(counts_fuel)?.compile(&source)?, source.digest))
    }
}

impl PluginBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            source: None,
            config: Value::Null,
            config_schema: None,
            abi_options: Value::Null,
            scope: Scope::default(),
            secrets: None,
            limits: Limits::default(),
            grants: Grants::default(),
            pool: PoolPolicy::default(),
            policy: FailurePolicy::default(),
            circuit_breaker: None,
            version: None,
            tick: None,
            requires: Vec::new(),
            provides: Vec::new(),
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

    /// The code of a plugin that is loaded, in the place of bytes or a file: nothing is read and nothing is compiled. Both
    /// have `limits.fuel`, or neither.
    pub fn code_of(mut self, plugin: &Plugin) -> Self {
        self.source = match &plugin.0.code {
            Code::Loaded { compiled, digest, .. } => Some(Origin::Loaded(Arc::clone(compiled), *digest)),
            Code::Absent(_) => None,
        };
        self
    }

    /// The configuration handed to the guest. The default is `null`.
    ///
    /// A text in it that is `secret://name`, and nothing else, stands for a secret that
    /// [`Grants::secrets`](crate::Grants) names: the guest gets the secret's value in its place. The value is cut out of
    /// what the guest writes to logs, errors and metrics.
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Which version of the plugin this is, for its log messages. The default is the first twelve digits of its file's
    /// digest.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// A JSON Schema that the configuration must fit, besides the one that the plugin ships, if it does. The default is
    /// none.
    ///
    /// Both are applied before an instance is made, to the configuration with the secrets in it; an absent configuration
    /// counts as an empty object. Draft 2020-12 where it names no other; it may refer to places within itself by `#/…`, and
    /// nothing is ever fetched.
    pub fn config_schema(mut self, schema: Value) -> Self {
        self.config_schema = Some(schema);
        self
    }

    /// How the guest is used, in the words of its ABI: each page of `docs/abi/` says which words there are. A map; the
    /// default is an empty one. Loading fails with [`Error::AbiOptions`] for a word that the ABI does not have.
    pub fn abi_options(mut self, options: Value) -> Self {
        self.abi_options = options;
        self
    }

    /// Which exchanges of its routes it is for. The default is all of them.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Where its secrets come from, in the place of the engine's source.
    pub fn secret_source(mut self, source: impl SecretSource + 'static) -> Self {
        self.secrets = Some(Arc::new(source));
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

    /// How long after one tick the next one comes, in place of what the plugin declares itself. At least 10 milliseconds.
    pub fn tick(mut self, every: Duration) -> Self {
        self.tick = Some(every);
        self
    }

    /// Properties that the plugin reads and cannot do without: a chain in which no plugin before it provides them is refused.
    pub fn requires<N: Into<String>>(mut self, properties: impl IntoIterator<Item = N>) -> Self {
        self.requires.extend(properties.into_iter().map(Into::into));
        self
    }

    /// Properties that the plugin sets for later ones.
    pub fn provides<N: Into<String>>(mut self, properties: impl IntoIterator<Item = N>) -> Self {
        self.provides.extend(properties.into_iter().map(Into::into));
        self
    }

    /// Its place in a chain: lower first, equals in the order they were given. The default is 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Reads, compiles and links the code, resolves and checks the configuration, makes one instance and configures it. That instance is kept when the
    /// pool policy keeps instances.
    ///
    /// Compiling runs on tokio's blocking threads. Dropping the future abandons the plugin; a compilation under way
    /// goes on to its end.
    pub async fn load(mut self, engine: &PluginEngine) -> Result<Plugin> {
        let origin = self.source.take().ok_or_else(|| Error::NoCode { plugin: self.name.clone() })?;
        let configuring = Configuring {
            plugin: self.name.clone(),
            config: std::mem::take(&mut self.config),
            schema: self.config_schema.take(),
            granted: self.grants.secrets.clone(),
            secrets: self.secrets.take().unwrap_or_else(|| Arc::clone(&engine.0.secrets)),
        };
        let (compiled, pre, digest, config) = {
            let engine = engine.clone();
            let counts_fuel = self.limits.fuel.is_some();
            let plugin = self.name.clone();
            let options = std::mem::take(&mut self.abi_options);
            let compiled = tokio::task::spawn_blocking(move || {
                let (compiled, digest) = origin.compile(&engine.0.runtimes, counts_fuel)?;
                if compiled.counts_fuel() != counts_fuel {
                    return Err(Error::Fuel { plugin });
                }
                let pre = compiled.link(&AbiOptions::new(&options))?;
                let config = configuring.configure(compiled.shape().config_schema.as_ref())?;
                Ok((compiled, pre, digest, config))
            });
            compiled.await.map_err(|error| Error::Compile { reason: error.to_string() })??
        };
        let phases = pre.phases();
        let wanted = [("request", self.request_body), ("response", self.response_body)];
        let tick = self.tick;
        let mut inner = self.assemble(engine, Code::Loaded { compiled, pre, digest }, config, phases);
        let name = inner.context.name.to_string();
        let instance = match inner.start_instance().await {
            Ok(instance) => instance,
            Err(Startup::Failed(failure)) => return Err(Error::Start { plugin: name, failure }),
            Err(Startup::ConfigRefused(message)) => return Err(Error::ConfigRefused { plugin: name, message }),
        };
        let (instance, declared) =
            instance.declare().await.map_err(|failure| Error::Start { plugin: name, failure })?;
        inner.declared = declared;
        inner.pool.put(instance);
        inner.set_readings(wanted)?;
        inner.set_tick(tick)?;
        Ok(Plugin(Arc::new(inner)))
    }

    /// A plugin without code, for a chain that must be served although this plugin could not be loaded: each request
    /// fails with the class `not-loaded`, and the plugin's failure policy decides.
    pub fn absent(self, engine: &PluginEngine, reason: impl Into<String>) -> Plugin {
        let phases = Phases { request: true, ..Phases::default() };
        Plugin(Arc::new(self.assemble(engine, Code::Absent(reason.into()), PluginConfig::unused(), phases)))
    }

    fn assemble(self, engine: &PluginEngine, code: Code, config: PluginConfig, phases: Phases) -> Inner {
        let observer = engine.0.observer.plugin(&self.name, code.abi());
        let version = self.version.or_else(|| code.digest().map(short)).unwrap_or_default();
        let parts = ContextParts {
            name: self.name.into(),
            version: version.into(),
            config,
            limits: self.limits,
            grants: self.grants,
        };
        let context = context(engine, parts);
        let pool = Arc::new(Pool::new(&self.pool, &context.limits, &context.gate));
        engine.0.share(&pool);
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
            requires: self.requires,
            provides: self.provides,
            scope: self.scope,
            priority: self.priority,
            counters: Counters::default(),
            observer,
        }
    }
}

fn short(digest: Digest) -> String {
    const DIGITS: usize = 12;
    let text = digest.to_string();
    text.trim_start_matches("sha256:").chars().take(DIGITS).collect()
}

impl fmt::Debug for PluginBuilder {
    /// Everything of use for finding faults, and not the config, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginBuilder")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .field("grants", &self.grants)
            .field("pool", &self.pool)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}
