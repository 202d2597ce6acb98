mod rate_limit;

use std::{fmt, time::Duration};

use redis::{
    Client,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

pub use rate_limit::RedisRateLimiter;

/// How long one command, or making a connection, may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// One Redis server, by one connection that all its users share and that is made again when it breaks.
///
/// Cloning is cheap and gives the same connection.
#[derive(Clone)]
pub struct Redis {
    connection: ConnectionManager,
    prefix: String,
}

/// Why there is no connection to a Redis server.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the Redis server: {0}")]
pub struct RedisError(#[from] redis::RedisError);

impl Redis {
    /// A server by its URL, `redis://user:password@host:port/database`. What is kept there has keys that begin with the
    /// prefix.
    ///
    /// Connects when it is first used: a server that is away keeps nobody from starting.
    pub fn new(url: &str, prefix: impl Into<String>) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(Self { connection, prefix: prefix.into() })
    }

    fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
