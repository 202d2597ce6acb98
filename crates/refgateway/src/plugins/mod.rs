//! The plugins of a gateway: loaded, kept over reloads, and put into chains.

mod edge_functions;
mod http;
mod http_settings;
mod measured;
mod observer;
mod rate_limits;
mod secrets;
mod settings;
mod state;
mod ticks;

use std::{
    fmt, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use serde_json::Value;
use wasm_host::{Digest, FailureClass, ManualClock, MemoryCache, Plugin, PluginEngine, SecretSource};

pub(crate) use self::{
    edge_functions::{EXECUTION_TIME, MILLISECONDS},
    measured::{BUCKETS, PREFIX},
    observer::gather_compilations,
    secrets::{refresh as refresh_secrets, source as secret_source, watch as watch_secrets},
};
use self::{measured::Measured, observer::Readings, ticks::Ticks};
use crate::{config, error::Error, telemetry::metrics, upstream::CurrentServices};

/// A plugin in one version, with what it was loaded from.
#[derive(Debug)]
pub struct LoadedPlugin {
    /// What the config says.
    pub settings: config::Plugin,
    /// The plugin that chains run; none while it is disabled.
    pub plugin: Option<Plugin>,
    /// Counts the versions that were loaded under this name, from 1.
    pub version: u64,
    /// Why the plugin in service is not the one that was asked for.
    degraded: Mutex<Option<Degraded>>,
    /// The operator's schema, as it was when the plugin was loaded.
    schema: Option<Value>,
    readings: Option<Readings>,
    /// Ends with this version.
    _ticks: Option<Ticks>,
}

#[derive(Debug)]
struct Degraded {
    reason: String,
    /// It is over when the secrets are again what they were.
    by_secrets: bool,
}

/// What a plugin does, as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Active,
    /// It could not be loaded, or not replaced; what served before still does, or else its failure policy.
    Degraded,
    /// It is switched off.
    Disabled,
}

impl State {
    /// The word in the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Disabled => "disabled",
        }
    }
}

/// What becomes of the gateway when a plugin does not load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loading<'a> {
    /// The routes of the plugin meet its failure policy, the rest is served.
    Lenient,
    /// Nothing is built, unless the plugin's origin is lenient.
    Strict,
    /// Nothing is built when this plugin does not load, whatever its origin. Only its file is looked at: the others stay
    /// as they are.
    Only(&'a str),
    /// Nothing is built, whatever the plugin's origin.
    Complete,
}

impl Loading<'_> {
    /// Whether the rest is built when this plugin does not load.
    fn does_without(self, plugin: &config::Plugin) -> bool {
        match self {
            Self::Lenient => true,
            Self::Strict => plugin.origin.is_lenient(),
            Self::Only(edited) => plugin.origin.is_lenient() && plugin.name != edited,
            Self::Complete => false,
        }
    }
}

/// Says what each metric is.
pub(crate) fn describe_metrics() {
    observer::describe_metrics();
    edge_functions::describe_metrics();
    http::describe_metrics();
}

/// Makes the engine that all plugins of a gateway share. They may call the services that are current when they call.
pub(crate) fn engine(config: &config::Config, services: CurrentServices) -> Result<PluginEngine, Error> {
    // Counters that are made before there is a recorder count nothing.
    let _ = metrics::handle();
    let mut builder = PluginEngine::builder().observer(observer::Prometheus).metric_sink(Measured);
    builder = builder.http_client(http::Calls::new(services));
    builder = state::stores(builder, &config.state)?;
    if let Some(directory) = &config.compile_cache {
        builder = builder.cache_dir(directory);
    }
    if let Some(instances) = config.plugin_instances {
        builder = builder.max_instances(instances.get());
    }
    builder = builder.stack_size(config.wasm_runtime.max_stack_size.as_usize());
    if let Some(bytes) = config.cache.bytes {
        builder = builder.cache(MemoryCache::new(bytes.0));
    }
    if let Some(config::Repeatable { time, seed }) = config.repeatable {
        tracing::warn!(
            time,
            seed,
            "`repeatable` is set: clocks of plugins stand still, their random numbers are known"
        );
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
        builder = builder.clock(ManualClock::new(start)).random_seed(seed);
    }
    builder.build().map_err(Error::Engine)
}

/// Loads the plugins of a config. Those that stay the same, file and settings, are kept with their instances.
pub(crate) fn load_all(
    engine: &PluginEngine,
    configured: &[config::Plugin],
    previous: &[Arc<LoadedPlugin>],
    secrets: &Arc<dyn SecretSource>,
    loading: Loading<'_>,
) -> Result<Vec<Arc<LoadedPlugin>>, Error> {
    block_on(async || load_each(engine, configured, previous, secrets, loading).await)?
}

/// Runs to its end what waits, on a thread and a runtime of its own: the caller may be within another runtime.
fn block_on<T: Send>(waits: impl AsyncFnOnce() -> T + Send) -> Result<T, Error> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(waits()))
    };
    let ended = std::thread::scope(|scope| scope.spawn(run).join());
    ended.unwrap_or_else(|_| Err(io::Error::other("the thread that loads plugins panicked"))).map_err(Error::Worker)
}

async fn load_each(
    engine: &PluginEngine,
    configured: &[config::Plugin],
    previous: &[Arc<LoadedPlugin>],
    secrets: &Arc<dyn SecretSource>,
    loading: Loading<'_>,
) -> Result<Vec<Arc<LoadedPlugin>>, Error> {
    let mut loaded = Vec::with_capacity(configured.len());
    let mut refused = Vec::new();
    for settings in configured {
        let before = previous.iter().find(|plugin| plugin.settings.name == settings.name);
        if let Some(kept) = before.filter(|before| before.is_kept(settings, secrets, loading)) {
            loaded.push(Arc::clone(kept));
            continue;
        }
        let version = before.map_or(1, |before| before.version + 1);
        match LoadedPlugin::load(engine, settings, secrets, version, None).await {
            Ok(plugin) => loaded.push(Arc::new(plugin)),
            Err(error) => {
                let error = PluginError::of(settings, error);
                tracing::error!(plugin = settings.name, reason = %error, "plugin does not load");
                if let Some(before) = before {
                    before.degrade(error.to_string());
                }
                match before.filter(|before| before.has_code()) {
                    _ if !loading.does_without(settings) => refused.push(error),
                    Some(before) => loaded.push(Arc::clone(before)),
                    None => loaded.push(Arc::new(LoadedPlugin::absent(engine, settings, version, &error))),
                }
            }
        }
    }
    if refused.is_empty() { Ok(loaded) } else { Err(Error::Plugins(refused)) }
}

/// A plugin that does not load.
#[derive(Debug)]
pub struct PluginError {
    /// The plugin.
    pub plugin: String,
    /// Its file.
    pub file: PathBuf,
    /// Who put it into the config.
    pub origin: config::Origin,
    /// Why.
    pub error: wasm_host::Error,
}

impl PluginError {
    fn of(settings: &config::Plugin, error: wasm_host::Error) -> Self {
        let config::Plugin { name, file, origin, .. } = settings.clone();
        Self { plugin: name, file, origin, error }
    }
}

impl std::error::Error for PluginError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl fmt::Display for PluginError {
    /// Names plugin and file, each once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use wasm_host::Error as E;
        let Self { plugin, file, origin, error } = self;
        match error {
            E::Start { failure, .. } if failure.class == FailureClass::Memory => {
                write!(f, "{error}")?;
                origin.memory_setting().map_or(Ok(()), |setting| write!(f, "; it is set by {setting}"))
            }
            E::Start { .. }
            | E::ConfigRefused { .. }
            | E::NoCode { .. }
            | E::BodyMode { .. }
            | E::NoBodyPhase { .. }
            | E::NoTickPhase { .. }
            | E::WholeMessages { .. }
            | E::Tick { .. }
            | E::Secrets { .. }
            | E::ConfigMisfit { .. }
            | E::SchemaUnusable { .. } => write!(f, "{error}"),
            E::CommandAsPlugin => write!(
                f,
                "plugin `{plugin}`: {}: {error}; `refgateway plugin exec` and `POST /api/wasm/execute` run it",
                file.display()
            ),
            E::File { .. } => write!(f, "plugin `{plugin}`: {error}"),
            _ => write!(f, "plugin `{plugin}`: {}: {error}", file.display()),
        }
    }
}

impl LoadedPlugin {
    /// How it is.
    pub fn state(&self) -> State {
        match (&self.plugin, &*self.degraded.lock()) {
            (None, _) => State::Disabled,
            (_, Some(_)) => State::Degraded,
            (_, None) => State::Active,
        }
    }

    /// Why it is degraded.
    pub fn reason(&self) -> Option<String> {
        self.degraded.lock().as_ref().map(|degraded| degraded.reason.clone())
    }

    /// Sets the metrics that are read and not counted.
    pub(crate) fn gather_metrics(&self) {
        if let Some(readings) = &self.readings {
            readings.gather();
        }
    }

    /// Loads a plugin; from the code of one that is there, if it is given and has any.
    async fn load(
        engine: &PluginEngine,
        settings: &config::Plugin,
        secrets: &Arc<dyn SecretSource>,
        version: u64,
        code: Option<&Plugin>,
    ) -> Result<Self, wasm_host::Error> {
        let mut schema = None;
        let plugin = if settings.enabled {
            let mut builder =
                settings::builder(settings)?.version(version.to_string()).secret_source(Arc::clone(secrets));
            schema = settings::schema(settings)?;
            if let Some(schema) = &schema {
                builder = builder.config_schema(schema.clone());
            }
            if let Some(code) = code.filter(|plugin| plugin.digest().is_some()) {
                builder = builder.code_of(code);
            }
            Some(builder.load(engine).await?)
        } else {
            None
        };
        let readings = plugin.as_ref().map(Readings::of);
        let ticks = plugin.as_ref().and_then(Ticks::of);
        let (settings, degraded) = (settings.clone(), Mutex::default());
        Ok(Self { settings, plugin, version, degraded, schema, readings, _ticks: ticks })
    }

    fn absent(engine: &PluginEngine, settings: &config::Plugin, version: u64, error: &PluginError) -> Self {
        let reason = error.to_string();
        // A config whose expressions are none was refused before any plugin was loaded.
        let builder = settings::builder(settings).unwrap_or_else(|_| Plugin::builder(&settings.name));
        let plugin = builder.version(version.to_string()).absent(engine, reason.clone());
        let readings = Some(Readings::of(&plugin));
        let degraded = Mutex::new(Some(Degraded { reason, by_secrets: false }));
        let (settings, plugin) = (settings.clone(), Some(plugin));
        Self { settings, plugin, version, degraded, schema: None, readings, _ticks: None }
    }

    /// Whether this plugin goes on under these settings.
    fn is_kept(&self, settings: &config::Plugin, secrets: &Arc<dyn SecretSource>, loading: Loading<'_>) -> bool {
        match loading {
            Loading::Only(edited) if edited != settings.name => self.settings == *settings,
            _ => self.is_current(settings, secrets),
        }
    }

    /// Whether loading these settings now would give the same plugin.
    fn is_current(&self, settings: &config::Plugin, secrets: &Arc<dyn SecretSource>) -> bool {
        if self.settings != *settings {
            return false;
        }
        let Some(plugin) = &self.plugin else { return true };
        let file = Digest::of_file(&settings.file).ok();
        let current = file.is_some()
            && plugin.digest() == file
            && plugin.has_config(&settings.config, &**secrets)
            && settings::schema(settings).is_ok_and(|schema| schema == self.schema);
        if current {
            *self.degraded.lock() = None;
        }
        current
    }

    /// Whether there is something that serves.
    fn has_code(&self) -> bool {
        self.plugin.as_ref().is_some_and(|plugin| plugin.digest().is_some())
    }

    fn degrade(&self, reason: String) {
        *self.degraded.lock() = Some(Degraded { reason, by_secrets: false });
    }

    /// A secret changed, and what serves is still configured with what it was.
    fn lack_secrets(&self, reason: String) {
        *self.degraded.lock() = Some(Degraded { reason, by_secrets: true });
    }

    fn secrets_are_back(&self) {
        self.degraded.lock().take_if(|degraded| degraded.by_secrets);
    }

    fn error(&self, error: wasm_host::Error) -> PluginError {
        PluginError::of(&self.settings, error)
    }
}
