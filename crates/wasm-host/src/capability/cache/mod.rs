//! What can be had again, kept for plugins: values and responses, each plugin with its own.

mod memory;
mod plugin;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

pub(crate) use self::plugin::{CacheHit, CacheLifetime, CacheProblem, PluginCache};
pub use self::{memory::MemoryCache, plugin::CacheStats};
use super::BoxFuture;

/// Where entries of plugins are kept.
///
/// The host decides who may store what, how old an entry is and whether it may still be used. A cache keeps entries
/// and may lose any of them.
pub trait Cache: Send + Sync + fmt::Debug {
    /// A plugin with a grant is loaded: where its entries are. Called again for each version of the plugin, which shares
    /// the entries of the one before. The entries of one name must not be found under another, whatever the names are.
    ///
    /// `bytes` is what all entries of the plugin together may have, each with its [`size`](CacheEntry::size).
    fn namespace(&self, name: &str, bytes: u64) -> Arc<dyn CacheNamespace>;
}

/// The entries of one plugin.
///
/// Functions may wait. A call of a guest that takes longer than its limit is given up: the future is dropped.
pub trait CacheNamespace: Send + Sync + fmt::Debug {
    /// The entry of a key, the same key to the byte.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<CacheEntry>, CacheUnavailable>>;

    /// Keeps an entry in the place of what the key had. It may be dropped when its
    /// [`lifetime`](CacheEntry::lifetime) is over, or to make room. Gives how many entries were dropped to make room for
    /// this one, itself included when there is none for it; 0 when that is not known.
    fn put<'a>(&'a self, key: &'a str, entry: CacheEntry) -> BoxFuture<'a, Result<u64, CacheUnavailable>>;

    /// Drops the entry of a key. Whether there was one.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, CacheUnavailable>>;

    /// Bytes that the entries have now; 0 when that is not known. Read for metrics.
    fn bytes(&self) -> u64 {
        0
    }
}

/// A cache that does not answer. The guest is told, in a word; the host logs the reason.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct CacheUnavailable {
    /// Why, for the operator.
    pub reason: String,
}

/// What is kept under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheEntry {
    /// What it is.
    pub content: CacheContent,
    /// When it was stored, by the engine's clock.
    pub stored_at: SystemTime,
    /// How long it is fresh from then on.
    pub fresh: Duration,
    /// How long it may be used after that, while it is made anew.
    pub stale: Duration,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheContent {
    /// Bytes that mean something to the guest.
    Value(Bytes),
    /// A response, whole.
    Response(CachedResponse),
}

/// A response that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedResponse {
    /// A final status, 200 to 599.
    pub status: StatusCode,
    /// The headers, without those that the host manages.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl CacheEntry {
    /// How long it may be used at all.
    pub fn lifetime(&self) -> Duration {
        self.fresh.saturating_add(self.stale)
    }

    /// Bytes that count for it under this key: of the key, the value or the response, and 128 more.
    pub fn size(&self, key: &str) -> u64 {
        const OVERHEAD: usize = 128;
        let content = match &self.content {
            CacheContent::Value(value) => value.len(),
            CacheContent::Response(response) => response.size(),
        };
        (key.len() + content + OVERHEAD) as u64
    }
}

impl CachedResponse {
    /// Bytes of the body and of the names and values of the headers, and 32 for each header.
    pub fn size(&self) -> usize {
        const HEADER: usize = 32;
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER);
        self.body.len() + headers.sum::<usize>()
    }
}

/// What one plugin may keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheQuota {
    /// Of all its entries, each with its size.
    pub(crate) bytes: u64,
    /// Of one value, or of one response with its headers.
    pub(crate) value_bytes: usize,
}
