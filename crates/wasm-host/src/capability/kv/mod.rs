//! Key-value pairs that outlive an instance: a store, and what each plugin may do with it.

mod grants;
mod memory;
mod plugin;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use self::plugin::{KvBucket, KvWatch};
pub(crate) use self::plugin::{KvProblem, KvSpaces, PluginKv};
pub use self::{
    grants::{KvAccess, KvGrants},
    memory::MemoryKv,
};
use super::BoxFuture;

/// Where plugins keep pairs of a key and a value.
///
/// Keys are 1 to 512 bytes of UTF-8 of any kind, slashes and NULs too, and say nothing about namespaces: a key reaches pairs
/// of the namespace that comes with it and no other. An expired pair is as one that is not there: it is not found, not
/// listed, and no quota counts it.
///
/// Each change happens whole or not at all, and nobody sees it half done. Once it has returned, everyone who asks the same
/// store sees it. Dropping the future of a change leaves open whether it happens.
///
/// A call may wait, but holds no thread while it does; the deadlines of plugins are kept by dropping its future.
pub trait KvStore: Send + Sync + fmt::Debug {
    /// The value of each key, in their order. [`KvError::TooLarge`] when they have more than `max_bytes` together, before
    /// they are brought into memory.
    fn get<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        keys: &'a [String],
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, KvError>>;

    /// What there is to know of a key besides its value; none when it is absent.
    fn stat<'a>(&'a self, namespace: &'a KvNamespace, key: &'a str) -> BoxFuture<'a, Result<Option<KvStat>, KvError>>;

    /// Keeps pairs, each in the place of an earlier one. No key is there twice.
    fn set<'a>(&'a self, namespace: &'a KvNamespace, entries: Vec<KvEntry>) -> BoxFuture<'a, Result<(), KvError>>;

    /// Removes keys. One that is absent changes nothing.
    fn delete<'a>(&'a self, namespace: &'a KvNamespace, keys: &'a [String]) -> BoxFuture<'a, Result<(), KvError>>;

    /// The keys after this one, or all, ordered by their bytes, and no more than `limit` of them. A key that is there all
    /// the while is in one page.
    fn list<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<KvPage, KvError>>;

    /// Keeps a pair if the version of its key is still this one; none stands for a key that is absent.
    fn swap<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        entry: KvEntry,
        version: Option<u64>,
    ) -> BoxFuture<'a, Result<KvSwap, KvError>>;

    /// Adds to the number that a key has, and gives the sum. The value is the number in decimal digits without a leading
    /// zero. An absent key is made with the time to live; one that is there keeps its own.
    fn increment<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        key: &'a str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, KvError>>;
}

/// A namespace of a store: one plugin's own, or one that plugins share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KvNamespace {
    /// Made by the host, and different for each namespace. Any text.
    pub name: Arc<str>,
    /// What the store lets it grow to.
    pub quota: KvQuota,
}

impl KvNamespace {
    /// A namespace of this name.
    pub fn new(name: impl Into<Arc<str>>, quota: KvQuota) -> Self {
        Self { name: name.into(), quota }
    }
}

/// What one namespace may hold. A change that would grow it past that is refused; one that makes it smaller never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvQuota {
    /// Keys. The default is 10,000.
    pub keys: u64,
    /// Bytes of all keys and values. The default is 16 MiB.
    pub bytes: u64,
    /// Bytes of one value. The default is 1 MiB. The host checks it, not the store.
    pub value_bytes: usize,
}

impl Default for KvQuota {
    fn default() -> Self {
        Self { keys: 10_000, bytes: 16 << 20, value_bytes: 1 << 20 }
    }
}

/// A pair to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Bytes,
    /// How long it is kept, at least a millisecond; none: until it is deleted.
    pub ttl: Option<Duration>,
}

impl KvEntry {
    /// The bytes that the quota of its namespace counts.
    pub fn bytes(&self) -> u64 {
        (self.key.len() + self.value.len()) as u64
    }
}

/// What there is to know of a key besides its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvStat {
    /// Another one with every change of the key, and with every time that it is made anew.
    pub version: u64,
    /// How long the pair is still kept; none: until it is deleted.
    pub ttl: Option<Duration>,
}

/// One page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvPage {
    /// The keys.
    pub keys: Vec<String>,
    /// Whether there were more when the page was made.
    pub more: bool,
}

/// What came of a [swap](KvStore::swap).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvSwap {
    /// The pair is kept.
    Done,
    /// Nothing changed: the key has this version now, or is absent.
    Changed(Option<u64>),
}

/// Why a store did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The namespace would have more keys than its quota.
    #[error("the namespace has as many keys as it may")]
    KeysQuota,
    /// The namespace would have more bytes than its quota.
    #[error("the namespace has as many bytes as it may")]
    BytesQuota,
    /// The store as a whole has no room.
    #[error("the store is full")]
    Full,
    /// The answer has more bytes than were asked for.
    #[error("the values are too large for one answer")]
    TooLarge,
    /// The value is not a number, or the sum none of 64 bits.
    #[error("not a number of 64 bits")]
    NotANumber,
    /// The store cannot be reached in time, or failed.
    #[error("the store is not available: {reason}")]
    Unavailable {
        /// Why, for the operator. Guests do not see it.
        reason: String,
    },
}

/// The number that a value is, where it is one.
pub(crate) fn number(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}
