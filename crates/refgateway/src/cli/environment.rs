//! What the environment says besides the command line.

use super::Failure;
use crate::{
    compat::{self, EnvironmentError, PluginDir},
    config::Config,
};

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What is logged, if the environment says so in other words than `RUST_LOG`.
pub(super) fn log_filter() -> Result<Option<String>, Failure> {
    Ok(compat::log_filter(&variable)?)
}

/// Whether there is a directory of plugins.
pub(super) fn has_plugin_dir() -> bool {
    PluginDir::from_env(&variable).is_ok_and(|found| found.is_some())
}

/// Puts the plugins of `PLUGIN_DIR` into the config.
pub(super) fn join_plugin_dir(config: &mut Config) -> Result<(), Failure> {
    if let Some(directory) = PluginDir::from_env(&variable)? {
        directory.join(config)?;
    }
    Ok(())
}

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Self {
        Self::Config(error.to_string())
    }
}
