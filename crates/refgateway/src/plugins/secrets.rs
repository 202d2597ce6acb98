//! Where plugins' secrets are, and what becomes of the plugins when one changes.

use std::{collections::BTreeMap, io, sync::Arc, thread, time::Duration};

use tokio::sync::oneshot;
use wasm_host::{EnvSecrets, FileSecrets, FirstSecret, PluginEngine, SecretDirectory, SecretSource, secret_references};

use super::{LoadedPlugin, block_on};
use crate::{
    config::{Config, SecretPlace},
    error::Error,
    gateway::Gateway,
    server::Shared,
    telemetry::metrics,
};

/// The secrets of a config: those it names, and those of its directory.
pub(crate) fn source(config: &Config) -> Arc<dyn SecretSource> {
    let (mut variables, mut files) = (EnvSecrets::default(), FileSecrets::default());
    for (name, SecretPlace { env, file }) in &config.secrets {
        if let Some(variable) = env {
            variables = variables.with(name, variable);
        }
        if let Some(file) = file {
            files = files.with(name, file);
        }
    }
    let named = FirstSecret::default().or(variables).or(files);
    match &config.secrets_dir {
        Some(directory) => Arc::new(named.or(SecretDirectory::new(directory))),
        None => Arc::new(named),
    }
}

/// Configures those plugins again that a changed secret concerns: from the code they have, which is not read or compiled
/// again. One that does not start with it is degraded, and serves as before. None when all are as before.
pub(crate) fn refresh(
    engine: &PluginEngine,
    loaded: &[Arc<LoadedPlugin>],
    secrets: &Arc<dyn SecretSource>,
) -> Result<Option<Vec<Arc<LoadedPlugin>>>, Error> {
    block_on(async || {
        let mut has_changed = false;
        let mut refreshed = Vec::with_capacity(loaded.len());
        for plugin in loaded {
            let next = refresh_one(engine, plugin, secrets).await;
            has_changed |= next.is_some();
            refreshed.push(next.unwrap_or_else(|| Arc::clone(plugin)));
        }
        has_changed.then_some(refreshed)
    })
}

async fn refresh_one(
    engine: &PluginEngine,
    loaded: &LoadedPlugin,
    secrets: &Arc<dyn SecretSource>,
) -> Option<Arc<LoadedPlugin>> {
    let settings = &loaded.settings;
    let plugin = loaded.plugin.as_ref()?;
    if secret_references(&settings.config).is_empty() {
        return None;
    }
    if plugin.has_config(&settings.config, &**secrets) {
        loaded.secrets_are_back();
        return None;
    }
    match LoadedPlugin::load(engine, settings, secrets, loaded.version + 1, Some(plugin)).await {
        Ok(next) => {
            metrics::secrets_changed(true);
            tracing::info!(plugin = settings.name, version = next.version, "a secret changed, plugin configured again");
            Some(Arc::new(next))
        }
        Err(error) => {
            metrics::secrets_changed(false);
            let reason = loaded.error(error).to_string();
            tracing::error!(plugin = settings.name, reason, "a secret changed, the plugin stays as it was");
            loaded.lack_secrets(reason);
            None
        }
    }
}

/// The values of the secrets that a gateway's plugins use, as they are now.
type Values = BTreeMap<String, Result<wasm_host::Secret, wasm_host::SecretError>>;

fn read(gateway: &Gateway) -> Values {
    let running = gateway.plugins.iter().filter(|plugin| plugin.plugin.is_some());
    let references = running.flat_map(|plugin| secret_references(&plugin.settings.config));
    let resolved = references.map(|reference| {
        let value = gateway.secrets.resolve(&reference.name);
        (reference.name, value)
    });
    resolved.collect()
}

/// Looks at the secrets again and again, on a thread of its own, until the gateway drains. The receiver resolves when it
/// has ended.
pub(crate) fn watch(shared: Arc<Shared>) -> Result<oneshot::Receiver<()>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Error::Worker)?;
    let (ended, has_ended) = oneshot::channel();
    let watching = async move {
        let mut draining = shared.draining();
        // What was there when the plugins were loaded is not known: the first look compares with them.
        let mut seen = None;
        loop {
            let gateway = shared.gateway();
            let now = read(&gateway);
            if seen.as_ref() != Some(&now) {
                shared.refresh_secrets();
                // One that changed meanwhile may have been seen as it no longer is.
                seen = Some(now).filter(|now| read(&gateway) == *now);
            }
            let pause: Duration = gateway.config.secrets_interval.0;
            drop(gateway);
            tokio::select! {
                _ = draining.wait_for(|draining| *draining) => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
    };
    let run = move || {
        runtime.block_on(watching);
        let _ = ended.send(());
    };
    let thread: io::Result<_> = thread::Builder::new().name("secrets".to_owned()).spawn(run);
    thread.map_err(Error::Worker)?;
    Ok(has_ended)
}
