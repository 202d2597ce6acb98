mod home;
mod kv;
mod rate_limit;

use std::{fmt, sync::Arc, time::Duration};

use redis::{
    Client, FromRedisValue, ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use self::home::Home;
pub use self::{kv::RedisKv, rate_limit::RedisRateLimiter};

/// How long one command, or making a connection, may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// One Redis server, by one connection that all its users share and that is made again when it breaks.
///
/// The connection lives on a thread of its own, and outlives every runtime that uses it. Cloning is cheap and gives the
/// same connection; the thread ends with the last clone.
#[derive(Clone)]
pub struct Redis {
    connection: ConnectionManager,
    home: Arc<Home>,
    prefix: Arc<str>,
}

/// Why there is no connection to a Redis server.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the Redis server: {0}")]
pub struct RedisError(#[from] redis::RedisError);

impl Redis {
    /// A server by its URL, `redis://user:password@host:port/database`. What is kept there has keys that begin with the
    /// prefix.
    ///
    /// Connects when it is first used: a server that is away keeps nobody from starting, and is asked again with every
    /// use.
    pub fn new(url: &str, prefix: impl Into<Arc<str>>) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(0);
        let home = Home::start().map_err(redis::RedisError::from)?;
        let client = Client::open(url)?;
        let connection = home.enter(|| ConnectionManager::new_lazy_with_config(client, config))?;
        Ok(Self { connection, home: Arc::new(home), prefix: prefix.into() })
    }

    /// What all keys begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The connection. It may only be used within [`Redis::at_home`].
    pub(crate) fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }

    /// A future that uses the connection, to be awaited on any runtime: what it starts in the background lives on the
    /// connection's own.
    pub(crate) fn at_home<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        self.home.at_home(future)
    }

    /// Runs a script.
    pub(crate) async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> redis::RedisResult<T> {
        self.at_home(async {
            let mut connection = self.connection();
            match script.invoke_async(&mut connection).await {
                // It was never sent, and the server may be back since this was found.
                Err(error) if error.is_connection_refusal() => script.invoke_async(&mut connection).await,
                ran => ran,
            }
        })
        .await
    }

    /// Does something in the background, until it ends by itself.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.home.spawn(task);
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
