//! Passing items between plugins, and between the instances of one.

mod memory;
mod plugin;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;

pub use self::memory::{MemoryQueues, QueueBounds};
pub(crate) use self::plugin::{PluginQueues, QueueError};
use super::BoxFuture;

/// Where the items of queues are, from when one is sent until it is received.
///
/// Implement it to keep them elsewhere, and give it to [`PluginEngineBuilder::queue_store`]. Nothing here waits for an
/// item; a store may wait for a server. A call that is dropped may or may not have happened.
///
/// [`PluginEngineBuilder::queue_store`]: crate::PluginEngineBuilder::queue_store
pub trait QueueStore: Send + Sync + fmt::Debug {
    /// Puts an item behind those the queue has; a queue that is not there is made.
    fn enqueue<'a>(&'a self, queue: QueueId<'a>, item: Bytes) -> BoxFuture<'a, Result<(), QueueStoreError>>;

    /// Takes up to so many items, the oldest first. Each is given out once.
    fn dequeue<'a>(&'a self, queue: QueueId<'a>, max: usize) -> BoxFuture<'a, Result<Vec<Bytes>, QueueStoreError>>;

    /// How many items there are.
    fn length<'a>(&'a self, queue: QueueId<'a>) -> BoxFuture<'a, Result<usize, QueueStoreError>>;
}

/// What names a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueId<'a> {
    /// The plugin whose own it is; none for a queue that plugins share.
    pub owner: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
}

/// Why a store did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueStoreError {
    /// The queue has as many items or bytes as it may.
    #[error("the queue is full")]
    Full,
    /// The item has more bytes than one may.
    #[error("the item is too large")]
    TooLarge,
    /// The store cannot be used now; with the reason, for the log.
    #[error("{0}")]
    Unavailable(String),
}

/// The queues that a plugin may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueGrants {
    /// Whether it may have queues of its own, under any name that is not one of the shared ones.
    pub own: bool,
    /// Queues that it shares with other plugins, by name.
    pub shared: BTreeMap<String, QueueUse>,
}

/// What a plugin may do with a shared queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueUse {
    /// Put items into it.
    Send,
    /// Take items out of it.
    Receive,
    /// Both.
    Both,
}

impl QueueUse {
    fn allows(self, wanted: Self) -> bool {
        self == Self::Both || self == wanted
    }
}
