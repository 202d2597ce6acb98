//! The plugins of a gateway: loaded, kept over reloads, and put into chains.

mod observer;
mod settings;

use std::{io, sync::Arc};

use parking_lot::Mutex;
use wasm_host::{Digest, Plugin, PluginEngine};

pub(crate) use self::observer::describe_metrics;
use crate::{config, error::Error};

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
    degraded: Mutex<Option<String>>,
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

/// What to do with a plugin that does not load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnLoadFailure {
    /// Nothing is built.
    Refuse,
    /// The rest is served, and requests of its routes meet its failure policy.
    Degrade,
}

/// Makes the engine that all plugins of a gateway share.
pub fn engine(config: &config::Config) -> Result<PluginEngine, Error> {
    let mut builder = PluginEngine::builder().observer(observer::Prometheus);
    if let Some(directory) = &config.compile_cache {
        builder = builder.cache_dir(directory);
    }
    builder.build().map_err(Error::Engine)
}

/// Loads the plugins of a config. Those that stay the same, file and settings, are kept with their instances.
pub(crate) fn load_all(
    engine: &PluginEngine,
    configured: &[config::Plugin],
    previous: &[Arc<LoadedPlugin>],
    on_failure: OnLoadFailure,
) -> Result<Vec<Arc<LoadedPlugin>>, Error> {
    block_on(async || load_each(engine, configured, previous, on_failure).await)?
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
    on_failure: OnLoadFailure,
) -> Result<Vec<Arc<LoadedPlugin>>, Error> {
    let mut loaded = Vec::with_capacity(configured.len());
    let mut refused = Vec::new();
    for settings in configured {
        let before = previous.iter().find(|plugin| plugin.settings.name == settings.name);
        if let Some(kept) = before.filter(|before| before.is_current(settings)) {
            loaded.push(Arc::clone(kept));
            continue;
        }
        let version = before.map_or(1, |before| before.version + 1);
        match LoadedPlugin::load(engine, settings, version).await {
            Ok(plugin) => loaded.push(Arc::new(plugin)),
            Err(error) => {
                tracing::error!(plugin = settings.name, %error, "plugin does not load");
                if let Some(before) = before {
                    before.degrade(error.to_string());
                }
                match on_failure {
                    OnLoadFailure::Degrade => loaded.push(Arc::new(LoadedPlugin::absent(engine, settings, version, &error))),
                    OnLoadFailure::Refuse => refused.push(PluginError { plugin: settings.name.clone(), error }),
                }
            }
        }
    }
    if refused.is_empty() { Ok(loaded) } else { Err(Error::Plugins(refused)) }
}

/// A plugin that does not load.
#[derive(Debug, thiserror::Error)]
#[error("plugin `{plugin}`: {error}")]
pub struct PluginError {
    /// The plugin.
    pub plugin: String,
    /// Why.
    #[source]
    pub error: wasm_host::Error,
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
        self.degraded.lock().clone()
    }

    /// Sets the metrics that are read and not counted.
    pub(crate) fn gather_metrics(&self) {
        if let Some(plugin) = &self.plugin {
            observer::gather(plugin);
        }
    }

    async fn load(
        engine: &PluginEngine,
        settings: &config::Plugin,
        version: u64,
    ) -> Result<Self, wasm_host::Error> {
        let plugin = match settings.enabled {
            true => Some(settings::builder(settings).load(engine).await?),
            false => None,
        };
        Ok(Self { settings: settings.clone(), plugin, version, degraded: Mutex::default() })
    }

    fn absent(engine: &PluginEngine, settings: &config::Plugin, version: u64, error: &wasm_host::Error) -> Self {
        let reason = error.to_string();
        let plugin = settings::builder(settings).absent(engine, reason.clone());
        Self { settings: settings.clone(), plugin: Some(plugin), version, degraded: Mutex::new(Some(reason)) }
    }

    /// Whether loading these settings now would give the same plugin.
    fn is_current(&self, settings: &config::Plugin) -> bool {
        if self.settings != *settings {
            return false;
        }
        let Some(plugin) = &self.plugin else { return true };
        let file = std::fs::read(&settings.file).ok().map(|bytes| Digest::of(&bytes));
        let current = file.is_some() && plugin.digest() == file;
        if current {
            *self.degraded.lock() = None;
        }
        current
    }

    fn degrade(&self, reason: String) {
        *self.degraded.lock() = Some(reason);
    }
}
