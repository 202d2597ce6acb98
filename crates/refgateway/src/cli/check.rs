//! `refgateway check`.

use std::io::Write;

use super::{ConfigFile, Failure, environment, output};
use crate::{
    config::{Config, KvBackend},
    gateway::Gateway,
    plugins::Loading,
};

/// Check a config file and report every problem.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
}

impl Check {
    /// Reads the config and every file it names, and loads its plugins, without listening. It connects nowhere but where a
    /// plugin calls when it is configured.
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut config = Config::load(&self.file.config)?;
        environment::join_plugin_dir(&mut config)?;
        // A gateway may be running on the file, and a plugin that is configured may change what is there.
        config.state.kv = KvBackend::Memory;
        let gateway = Gateway::build(config, 1, None, Loading::Complete)?;
        let count = |number: usize, word: &str| match number {
            1 => format!("1 {word}"),
            _ => format!("{number} {word}s"),
        };
        let counts = [
            count(gateway.config.listeners.len(), "listener"),
            count(gateway.routes.len(), "route"),
            count(gateway.services.len(), "service"),
            count(gateway.config.plugins.len(), "plugin"),
        ];
        output::print(|stdout| writeln!(stdout, "ok: {}", counts.join(", ")))
    }
}
