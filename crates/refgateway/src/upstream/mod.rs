//! The backends: services, their servers, and the connections to them.

mod balance;
mod connect;
mod current;
mod error;
mod health;
mod lease;
mod pool;
mod send;
mod target;
mod tls;

pub(crate) use self::current::CurrentServices;
pub use self::{
    error::UpstreamError,
    health::Health,
    target::{InvalidTarget, Target},
    tls::ClientTls,
};

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use self::{balance::Balancer, pool::Pool, send::Ready};
use crate::config::Protocol;

/// One backend with its servers.
#[derive(Debug)]
pub struct Service {
    /// Its name in the config.
    pub name: String,
    /// Its servers, at least one.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Send the client's `Host` on.
    pub preserve_host: bool,
    /// How a server is picked.
    balancer: Balancer,
}

/// One server: where it is, how it fares, and each worker's connections to it.
#[derive(Debug)]
pub struct Upstream {
    /// What it was made from. A reload keeps the upstream, with its connections, while this stays the same.
    pub settings: UpstreamSettings,
    /// Its share of the requests; at least 1.
    pub weight: u8,
    /// Whether it can be reached.
    pub health: Health,
    tls: Option<ClientTls>,
    in_flight: AtomicUsize,
    pools: Box<[Pool]>,
}

/// Everything that makes a connection to a server what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Where it is.
    pub target: Target,
    /// Which HTTP it speaks.
    pub protocol: Protocol,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How many unused connections a worker keeps.
    pub max_idle: usize,
    /// How `https` is verified.
    pub ca: Option<std::path::PathBuf>,
    /// Failures in a row that put it out, and for how long.
    pub health: crate::config::Health,
}

impl Service {
    /// Puts servers behind one name.
    pub fn new(config: &crate::config::Service, upstreams: Vec<Arc<Upstream>>) -> Self {
        let weights: Vec<u8> = upstreams.iter().map(|upstream| upstream.weight).collect();
        Self {
            name: config.name.clone(),
            balancer: Balancer::new(config.balance, &weights),
            upstreams,
            preserve_host: config.preserve_host,
        }
    }

    /// The next server to try, none of those `tried` already.
    pub fn pick(&self, tried: &[usize]) -> Option<(usize, &Arc<Upstream>)> {
        let index = self.balancer.pick(&self.upstreams, tried)?;
        Some((index, self.upstreams.get(index)?))
    }

    /// A connection to one of its servers. While none stands nothing has been sent, so each is tried in turn, but for those
    /// `tried` already.
    pub(crate) async fn ready(
        &self,
        worker: usize,
        is_upgrade: bool,
        mut tried: Vec<usize>,
    ) -> Result<Ready, UpstreamError> {
        let mut last_error = UpstreamError::ConnectTimeout;
        while let Some((index, upstream)) = self.pick(&tried) {
            match upstream.ready(worker, is_upgrade).await {
                Ok(ready) => return Ok(ready),
                Err(error) => {
                    self.failed(upstream);
                    let server = upstream.settings.target.authority.as_str();
                    tracing::debug!(%error, upstream = server, "no connection, trying the next upstream");
                    last_error = error;
                    tried.push(index);
                }
            }
        }
        Err(last_error)
    }

    /// One of its servers could not be reached, or gave no response.
    pub(crate) fn failed(&self, upstream: &Upstream) {
        if upstream.health.failed() {
            let server = upstream.settings.target.authority.as_str();
            tracing::warn!(service = self.name, upstream = server, "upstream left out after failures");
        }
    }
}

impl Upstream {
    /// A server with empty pools for that many workers. Fails when its CA file cannot be used.
    pub fn new(settings: UpstreamSettings, weight: u8, workers: usize) -> Result<Self, crate::Error> {
        let tls = match settings.target.tls {
            true => Some(ClientTls::new(settings.ca.as_deref(), settings.protocol)?),
            false => None,
        };
        let pools = (0..workers).map(|_| Pool::new(settings.max_idle, settings.idle_timeout)).collect();
        let health = Health::new(settings.health.max_failures, settings.health.cooldown.0);
        Ok(Self { settings, weight, health, tls, in_flight: AtomicUsize::new(0), pools })
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}
