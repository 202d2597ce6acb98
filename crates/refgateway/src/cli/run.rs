//! `refgateway run`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::{
    Error, Server, ServerHandle,
    config::{Config, Listener, Match, Plugin, Route, Service, Upstream},
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
    /// A plugin every request meets, with --upstream; may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    plugin: Vec<PathBuf>,
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failure> {
        logs::install(None);
        let config = self.load()?;
        let drain = config.timeouts.drain.0;
        // With a config file, what one plugin has must not keep the rest from being served.
        let handle = if self.config.is_some() { Server::start(config)? } else { start_with_plugins(config)? };
        for address in handle.addresses() {
            tracing::info!(%address, "listening");
        }
        if let Some(address) = handle.admin_address() {
            tracing::info!(%address, "admin");
        }
        until_stopped(handle, drain, self.config.as_ref().map(|_| || self.load()))
    }

    fn plugins(&self) -> Vec<Plugin> {
        let named = |(index, file): (usize, &PathBuf)| Plugin::from_file(format!("plugin-{}", index + 1), file.clone());
        self.plugin.iter().enumerate().map(named).collect()
    }

    fn load(&self) -> Result<Config, Failure> {
        match (&self.config, &self.upstream) {
            (Some(file), _) => Ok(Config::load(file)?),
            (None, Some(url)) => {
                let config = to_one_upstream(url, self.listen, self.plugins());
                config.check()?;
                Ok(config)
            }
            (None, None) => Err(Failure::Config("--config or --upstream is needed".to_owned())),
        }
    }
}

/// Starts a gateway whose plugins must all load.
pub(super) fn start_with_plugins(config: Config) -> Result<ServerHandle, Failure> {
    let handle = Server::start(config)?;
    let reasons: Vec<_> = handle.gateway().plugins.iter().filter_map(|plugin| plugin.reason()).collect();
    if reasons.is_empty() { Ok(handle) } else { Err(Failure::Config(reasons.join("\n"))) }
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

/// Serves until SIGTERM or SIGINT, then drains; a second one ends at once. SIGHUP reloads if there is what to load.
pub(super) fn until_stopped(
    handle: ServerHandle,
    drain: Duration,
    load: Option<impl Fn() -> Result<Config, Failure>>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Worker)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Worker)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Worker)?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(Error::Worker)?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => reload(&handle, load.as_ref()),
            }
        }
        tracing::info!(deadline_s = drain.as_secs(), "draining");
        tokio::select! {
            () = handle.shutdown(drain) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

fn reload(handle: &ServerHandle, load: Option<&impl Fn() -> Result<Config, Failure>>) {
    let Some(load) = load else { return tracing::info!("nothing to reload: there is no config file") };
    let result = load().and_then(|config| handle.reload(config).map_err(Failure::from));
    match result {
        Ok(()) => tracing::info!("config reloaded"),
        Err(Failure::Config(reason)) => tracing::error!(reason, "config not reloaded, the old one stays"),
    }
}
