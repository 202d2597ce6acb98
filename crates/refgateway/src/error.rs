//! Why a gateway cannot start or reload.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{config::ConfigError, plugins::PluginError};

/// Why a gateway cannot start or reload. Everything here is the operator's to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The config is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address of the config.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A PEM file cannot be read.
    #[error("cannot read PEM file {}: {source}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// A PEM file holds no certificate.
    #[error("PEM file {} holds no certificate", file.display())]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// Certificates or keys that TLS cannot use.
    #[error("TLS cannot use {}: {source}", file.as_ref().map_or_else(|| "the system's certificates".into(), |f| f.display().to_string()))]
    Tls {
        /// The file, if they came from one.
        file: Option<PathBuf>,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The engine that runs plugins cannot be made.
    #[error(transparent)]
    Engine(wasm_host::Error),
    /// The file that plugins keep what they share in cannot be used.
    #[error(transparent)]
    Redb(#[from] wasm_host_stores::RedbError),
    /// The URL of a Redis server makes no sense.
    #[error("`state.redis.url`: {0}")]
    Redis(#[from] wasm_host_stores::RedisError),
    /// Plugins do not load.
    #[error("{}", lines(.0))]
    Plugins(Vec<PluginError>),
    /// The plugins of a route do not fit each other.
    #[error("route `{route}`: {source}")]
    Chain {
        /// The route.
        route: String,
        /// Why not.
        source: wasm_host::Error,
    },
    /// Something that only a restart can change.
    #[error("`{0}` cannot change on reload; restart the gateway")]
    NeedsRestart(&'static str),
    /// A thread or runtime cannot be started.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
}

fn lines(errors: &[PluginError]) -> String {
    errors.iter().map(PluginError::to_string).collect::<Vec<_>>().join("\n")
}
