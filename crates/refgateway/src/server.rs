//! A running gateway and the handle to it.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::{
    admin,
    config::Config,
    error::Error,
    gateway::Gateway,
    listener::{self, Living},
    plugins::{self, Loading},
    telemetry::metrics,
    worker,
};

/// Starts gateways.
#[derive(Debug)]
pub struct Server;

/// A running gateway. Dropping the handle stops it at once; [`ServerHandle::shutdown`] lets requests finish.
#[derive(Debug)]
pub struct ServerHandle {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
    ended: Vec<oneshot::Receiver<()>>,
}

/// What all threads of one gateway share.
#[derive(Debug)]
pub(crate) struct Shared {
    gateway: ArcSwap<Gateway>,
    draining: watch::Sender<bool>,
    drain_deadline: Mutex<Instant>,
    living: Vec<Living>,
    /// One reload at a time.
    reloading: Mutex<()>,
}

impl Server {
    /// Loads the plugins, binds every listener, starts the workers and returns. Fails when the config is not valid, a
    /// certificate cannot be used or an address is taken; nothing runs then. A plugin that does not load is degraded:
    /// requests of its routes meet its failure policy, and the rest is served.
    pub fn start(config: Config) -> Result<ServerHandle, Error> {
        Self::start_loading(config, Loading::Lenient)
    }

    /// Starts a gateway that a plugin which does not load may keep from starting.
    pub(crate) fn start_loading(config: Config, loading: Loading<'_>) -> Result<ServerHandle, Error> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let workers = config.workers.map_or(cores, std::num::NonZeroUsize::get);
        let listeners = config.listeners.clone();
        let admin = config.admin.clone();
        let shared = Arc::new(Shared::new(Gateway::build(config, workers, None, loading)?, workers));

        let mut addresses = Vec::new();
        let mut sockets: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        for listener in listeners {
            let address = listener.address;
            let failed = |source| Error::Listen { address, source };
            let bound = listener::bind(address, workers).map_err(failed)?;
            addresses.push(bound.first().map_or(Ok(address), std::net::TcpListener::local_addr).map_err(failed)?);
            for (worker, socket) in sockets.iter_mut().zip(bound) {
                worker.push(socket);
            }
        }
        let (admin_address, admin_ended) = admin::start(&admin, shared.clone())?.unzip();
        let mut ended: Vec<_> = admin_ended.into_iter().collect();
        for (id, sockets) in sockets.into_iter().enumerate() {
            ended.push(worker::start(id, shared.clone(), sockets)?);
        }
        ended.push(plugins::watch_secrets(shared.clone())?);
        Ok(ServerHandle { shared, addresses, admin_address, ended })
    }
}

impl ServerHandle {
    /// Where clients connect, in the order of the config's listeners; ports are the real ones.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the admin listener is, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What is served now.
    pub fn gateway(&self) -> Arc<Gateway> {
        self.shared.gateway()
    }

    /// Replaces the config, all of it or nothing. Requests under way finish with the old one. Compiles plugins that are
    /// new or have changed, which may take seconds.
    pub fn reload(&self, config: Config) -> Result<(), Error> {
        self.shared.reload(config)
    }

    /// Takes no new connections, lets requests under way finish, and closes what is left at the deadline.
    pub async fn shutdown(mut self, deadline: Duration) {
        self.shared.drain(deadline);
        for ended in self.ended.drain(..) {
            let _ = ended.await;
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        if !*self.shared.draining.borrow() {
            self.shared.drain(Duration::ZERO);
        }
    }
}

impl Shared {
    fn new(gateway: Gateway, workers: usize) -> Self {
        Self {
            gateway: ArcSwap::from_pointee(gateway),
            draining: watch::Sender::new(false),
            drain_deadline: Mutex::new(Instant::now()),
            living: (0..workers).map(|_| Living::default()).collect(),
            reloading: Mutex::new(()),
        }
    }

    pub(crate) fn gateway(&self) -> Arc<Gateway> {
        self.gateway.load_full()
    }

    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    pub(crate) fn drain_deadline(&self) -> Instant {
        *self.drain_deadline.lock()
    }

    pub(crate) fn living(&self, worker: usize) -> Living {
        self.living.get(worker).cloned().unwrap_or_default()
    }

    /// Client connections open on all workers.
    pub(crate) fn connections(&self) -> usize {
        self.living.iter().map(Living::count).sum()
    }

    /// Waits until no client is connected to any worker.
    pub(crate) async fn all_gone(&self) {
        let mut every = tokio::time::interval(Duration::from_millis(20));
        while self.connections() > 0 {
            every.tick().await;
        }
    }

    /// Configures the plugins again that a changed secret concerns. All else stays as it is.
    pub(crate) fn refresh_secrets(&self) {
        let _one_at_a_time = self.reloading.lock();
        let current = self.gateway();
        let refreshed = plugins::refresh_secrets(&current.engine, &current.plugins, &current.secrets)
            .and_then(|plugins| plugins.map(|plugins| current.with_plugins(plugins)).transpose());
        match refreshed {
            Ok(Some(next)) => self.gateway.store(Arc::new(next)),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "changed secrets cannot be looked at"),
        }
    }

    /// Replaces the config, all of it or nothing.
    pub(crate) fn reload(&self, config: Config) -> Result<(), Error> {
        let _one_at_a_time = self.reloading.lock();
        let result = self.try_reload(config, Loading::Strict);
        metrics::reloaded(result.is_ok());
        result
    }

    /// Changes this plugin in the config that is served now, all of it or nothing. The other plugins stay as they are.
    pub(crate) fn edit<E>(
        &self,
        plugin: &str,
        edit: impl FnOnce(&mut Config) -> Result<(), E>,
    ) -> Result<Result<(), E>, Error> {
        let _one_at_a_time = self.reloading.lock();
        let mut config = Config::clone(&self.gateway().config);
        if let Err(refused) = edit(&mut config) {
            return Ok(Err(refused));
        }
        let result = self.try_reload(config, Loading::Only(plugin));
        metrics::reloaded(result.is_ok());
        result.map(Ok)
    }

    fn try_reload(&self, config: Config, loading: Loading<'_>) -> Result<(), Error> {
        let current = self.gateway();
        let addresses =
            |config: &Config| config.listeners.iter().map(|l| (l.address, l.tls.is_some())).collect::<Vec<_>>();
        if addresses(&config) != addresses(&current.config) {
            return Err(Error::NeedsRestart("listeners"));
        }
        if config.workers != current.config.workers {
            return Err(Error::NeedsRestart("workers"));
        }
        if config.admin != current.config.admin {
            return Err(Error::NeedsRestart("admin"));
        }
        if config.execute != current.config.execute {
            return Err(Error::NeedsRestart("execute"));
        }
        if config.cache != current.config.cache {
            return Err(Error::NeedsRestart("cache"));
        }
        if config.plugin_instances != current.config.plugin_instances {
            return Err(Error::NeedsRestart("plugin_instances"));
        }
        if config.state != current.config.state {
            return Err(Error::NeedsRestart("state"));
        }
        if config.repeatable != current.config.repeatable {
            return Err(Error::NeedsRestart("repeatable"));
        }
        if config.compile_cache != current.config.compile_cache {
            return Err(Error::NeedsRestart("compile_cache"));
        }
        if config.wasm_runtime.max_stack_size != current.config.wasm_runtime.max_stack_size {
            return Err(Error::NeedsRestart("wasm_runtime.max_stack_size"));
        }
        let next = Gateway::build(config, self.living.len(), Some(&current), loading)?;
        next.activate();
        self.gateway.store(Arc::new(next));
        Ok(())
    }

    fn drain(&self, deadline: Duration) {
        *self.drain_deadline.lock() = Instant::now() + deadline;
        self.draining.send_replace(true);
    }
}
