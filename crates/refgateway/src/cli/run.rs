//! `refgateway run`.

use std::{net::SocketAddr, path::PathBuf};

use super::{Failure, environment, signals::Signals};
use crate::{
    Server,
    config::{Config, ConfigError, Listener, Match, Plugin, Route, Service, Upstream},
    plugins::Loading,
    telemetry::logs,
};

/// Serve, from a config file or straight to one upstream.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["config", "upstream"]))]
pub(super) struct Run {
    /// The config file, YAML or TOML by its extension; read again on SIGHUP.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Send everything to this server, without a config file.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Where to listen, with --upstream.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", conflicts_with = "config")]
    listen: SocketAddr,
    /// Where the admin API listens, with --upstream.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901", conflicts_with = "config")]
    admin: SocketAddr,
    /// A plugin every request meets, with --upstream; may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    plugin: Vec<PathBuf>,
    /// A file with plugins in the words of Odin, its key `wasm`, with --upstream; read again on SIGHUP.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    odin: Option<PathBuf>,
    /// A directory that POST /wasm may deploy modules from, with --upstream; may be repeated.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "config")]
    wasm_root: Vec<PathBuf>,
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failure> {
        logs::install(environment::log_filter()?.as_deref());
        let signals = Signals::install()?;
        let config = self.load()?;
        // With a config file, what one plugin has must not keep the rest from being served.
        let has_file = self.config.is_some() || self.odin.is_some();
        let loading = if has_file { Loading::Lenient } else { Loading::Strict };
        let handle = Server::start_loading(config, loading)?;
        for address in handle.addresses() {
            tracing::info!(%address, "listening");
        }
        if let Some(address) = handle.admin_address() {
            tracing::info!(%address, "admin");
        }
        let can_reload = has_file || environment::has_plugin_dir();
        signals.serve(handle, can_reload.then_some(|| self.load()))
    }

    fn plugins(&self) -> Vec<Plugin> {
        let named = |(index, file): (usize, &PathBuf)| Plugin::from_file(format!("plugin-{}", index + 1), file.clone());
        self.plugin.iter().enumerate().map(named).collect()
    }

    fn load(&self) -> Result<Config, Failure> {
        let mut config = match (&self.config, &self.upstream) {
            (Some(file), _) => Config::load(file)?,
            (None, Some(url)) => self.without_file(url)?,
            (None, None) => return Err(Failure::Config("--config or --upstream is needed".to_owned())),
        };
        environment::join_plugin_dir(&mut config)?;
        Ok(config)
    }

    fn without_file(&self, url: &str) -> Result<Config, Failure> {
        let mut config = to_one_upstream(url, self.listen, self.plugins());
        config.admin.address = self.admin;
        let roots: Result<_, _> = self.wasm_root.iter().map(std::path::absolute).collect();
        config.wasm_roots = roots.map_err(|error| Failure::Config(format!("--wasm-root: {error}")))?;
        let problems = config.execute.fill(&|name| std::env::var(name).ok());
        if !problems.is_empty() {
            return Err(ConfigError { file: None, problems }.into());
        }
        config.check()?;
        Ok(match &self.odin {
            Some(file) => config.with_odin(file)?,
            None => config,
        })
    }
}

/// A config that sends everything to one server, through these plugins in this order.
pub(super) fn to_one_upstream(url: &str, listen: SocketAddr, plugins: Vec<Plugin>) -> Config {
    Config {
        listeners: vec![Listener { address: listen, tls: None }],
        routes: vec![Route {
            name: "all".to_owned(),
            matches: Match::default(),
            service: "upstream".to_owned(),
            chain: plugins.iter().map(|plugin| plugin.name.clone()).collect(),
            strip_prefix: None,
            timeout: None,
        }],
        services: vec![Service::new("upstream", vec![Upstream { url: url.to_owned(), weight: 1 }])],
        plugins,
        ..Config::default()
    }
}
