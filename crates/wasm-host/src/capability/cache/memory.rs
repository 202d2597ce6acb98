use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use moka::{notification::RemovalCause, policy::Expiry, sync};
use parking_lot::Mutex;

use super::{Cache, CacheEntry, CacheNamespace, CacheUnavailable};
use crate::capability::BoxFuture;

/// The default: entries in the memory of this process.
///
/// It is bounded as a whole, and for each plugin: one that needs room gets it from its own entries, those that are used least
/// first, and never from those of another. When the whole is full, a plugin that has no entries to give up keeps nothing:
/// the bound should be no less than what the grants add up to. The entries of a plugin go with its last version.
///
/// Cloning gives the same cache.
#[derive(Clone)]
pub struct MemoryCache(Arc<Inner>);

struct Inner {
    bytes: u64,
    /// Held while room is made and used.
    namespaces: Mutex<Namespaces>,
}

impl MemoryCache {
    /// A cache of at most this many bytes. The default is 64 MiB.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(Inner { bytes, namespaces: Mutex::default() }))
    }

    /// Bytes that all entries have now.
    pub fn bytes(&self) -> u64 {
        used(&self.0.namespaces.lock())
    }
}

type Namespaces = HashMap<String, Vec<Weak<Namespace>>>;

fn living(namespaces: &Namespaces) -> impl Iterator<Item = Arc<Namespace>> {
    namespaces.values().flatten().filter_map(Weak::upgrade)
}

fn used(namespaces: &Namespaces) -> u64 {
    living(namespaces).map(|namespace| namespace.entries.weighted_size()).sum()
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("bytes", &self.0.bytes).finish_non_exhaustive()
    }
}

impl Cache for MemoryCache {
    fn namespace(&self, name: &str, bytes: u64) -> Arc<dyn CacheNamespace> {
        let mut namespaces = self.0.namespaces.lock();
        namespaces.retain(|_, versions| {
            versions.retain(|namespace| namespace.strong_count() > 0);
            !versions.is_empty()
        });
        let versions = namespaces.entry(name.to_owned()).or_default();
        let known = versions.iter().filter_map(Weak::upgrade).find(|namespace| namespace.bytes == bytes);
        known.unwrap_or_else(|| {
            let made = Arc::new(Namespace::new(Arc::clone(&self.0), bytes));
            versions.push(Arc::downgrade(&made));
            made
        })
    }
}

struct Namespace {
    whole: Arc<Inner>,
    bytes: u64,
    entries: sync::Cache<Box<str>, CacheEntry>,
    evictions: Arc<AtomicU64>,
}

impl Namespace {
    fn new(whole: Arc<Inner>, bytes: u64) -> Self {
        let evictions = Arc::new(AtomicU64::new(0));
        let evicted = Arc::clone(&evictions);
        let entries = sync::Cache::<Box<str>, CacheEntry>::builder()
            .max_capacity(bytes)
            .weigher(|key, entry| u32::try_from(entry.size(key)).unwrap_or(u32::MAX))
            .expire_after(Lifetimes)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evicted.fetch_add(1, Relaxed);
                }
            })
            .build();
        Self { whole, bytes, entries, evictions }
    }

    /// Gives how many entries were dropped to make room.
    fn keep(&self, key: &str, entry: CacheEntry) -> u64 {
        let size = entry.size(key);
        let namespaces = self.whole.namespaces.lock();
        self.entries.run_pending_tasks();
        let before = self.evictions.load(Relaxed);
        let over = || used(&namespaces).saturating_add(size).saturating_sub(self.whole.bytes);
        if over() > 0 {
            // Others may still count what has expired.
            living(&namespaces).for_each(|namespace| namespace.entries.run_pending_tasks());
        }
        let over = over();
        if size > self.bytes || over > self.entries.weighted_size() {
            // What the key had is no longer true.
            self.entries.invalidate(key);
            self.evictions.fetch_add(1, Relaxed);
        } else {
            self.make_room(over);
            self.entries.insert(key.into(), entry);
        }
        // Otherwise a flood would be counted, and stopped, later than it is stored.
        self.entries.run_pending_tasks();
        self.evictions.load(Relaxed).saturating_sub(before)
    }

    /// Gives up entries of this namespace until they have had this many bytes.
    fn make_room(&self, mut bytes: u64) {
        let mut entries = self.entries.iter();
        while bytes > 0 {
            let Some((key, entry)) = entries.next() else { break };
            self.entries.invalidate(&*key);
            self.evictions.fetch_add(1, Relaxed);
            bytes = bytes.saturating_sub(entry.size(&key));
        }
        self.entries.run_pending_tasks();
    }
}

impl CacheNamespace for Namespace {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<CacheEntry>, CacheUnavailable>> {
        Box::pin(async move { Ok(self.entries.get(key)) })
    }

    fn put<'a>(&'a self, key: &'a str, entry: CacheEntry) -> BoxFuture<'a, Result<u64, CacheUnavailable>> {
        Box::pin(async move { Ok(self.keep(key, entry)) })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, CacheUnavailable>> {
        Box::pin(async move { Ok(self.entries.remove(key).is_some()) })
    }

    fn bytes(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Drops entries when they can no longer be used, by the time that really passes.
struct Lifetimes;

impl Expiry<Box<str>, CacheEntry> for Lifetimes {
    fn expire_after_create(&self, _: &Box<str>, entry: &CacheEntry, _: Instant) -> Option<Duration> {
        Some(entry.lifetime())
    }

    fn expire_after_update(
        &self,
        _: &Box<str>,
        entry: &CacheEntry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.lifetime())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::CacheContent;

    const MINUTE: Duration = Duration::from_secs(60);

    fn entry(bytes: usize) -> CacheEntry {
        let content = CacheContent::Value(vec![0; bytes].into());
        CacheEntry { content, stored_at: SystemTime::now(), fresh: MINUTE, stale: MINUTE }
    }

    async fn has(namespace: &Arc<dyn CacheNamespace>, key: &str) -> bool {
        namespace.get(key).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn a_flood_drops_entries_of_its_own_namespace_only() {
        let cache = MemoryCache::new(1 << 20);
        let (quiet, flood) = (cache.namespace("quiet", 100_000), cache.namespace("flood", 100_000));
        quiet.put("key", entry(1000)).await.unwrap();
        let mut evictions = 0;
        for key in 0..10_000 {
            evictions += flood.put(&key.to_string(), entry(1000)).await.unwrap();
            assert!(flood.bytes() <= 100_000);
        }
        assert!(has(&quiet, "key").await);
        assert!(evictions >= 9_900);
    }

    #[tokio::test]
    async fn the_whole_is_bounded_and_nobody_pays_for_another() {
        let cache = MemoryCache::new(10_000);
        let (one, other) = (cache.namespace("one", 100_000), cache.namespace("other", 100_000));
        one.put("key", entry(1000)).await.unwrap();
        for key in 0..100 {
            other.put(&key.to_string(), entry(1000)).await.unwrap();
            assert!(cache.bytes() <= 10_000);
        }
        assert!(has(&one, "key").await);
        assert!(has(&other, "99").await, "what is newest is kept");
        // It has no room but its own, and that is not enough.
        one.put("key", entry(5000)).await.unwrap();
        assert!(!has(&one, "key").await);
        assert!(has(&other, "99").await);
    }

    #[tokio::test]
    async fn a_name_leads_to_no_other_namespace() {
        let cache = MemoryCache::default();
        let names = ["a", "a/b", "a\0b", "a\0", "b", "../a"];
        let spaces = names.map(|name| cache.namespace(name, 10_000));
        spaces[0].put("b\0c/d", entry(1)).await.unwrap();
        for space in &spaces[1..] {
            for key in ["b\0c/d", "\0b\0c/d", "c/d", "d", "../a/b\0c/d", "a\0b\0c/d"] {
                assert!(!has(space, key).await, "{space:?} {key:?}");
            }
        }
    }

    #[tokio::test]
    async fn versions_share_entries_until_the_last_is_gone() {
        let cache = MemoryCache::default();
        let old = cache.namespace("plugin", 10_000);
        old.put("key", entry(1)).await.unwrap();
        let new = cache.namespace("plugin", 10_000);
        drop(old);
        assert!(has(&new, "key").await);
        drop(new);
        assert_eq!(cache.bytes(), 0);
        assert!(!has(&cache.namespace("plugin", 10_000), "key").await);
    }

    #[tokio::test]
    async fn an_entry_of_no_time_is_not_found() {
        let namespace = MemoryCache::default().namespace("plugin", 10_000);
        namespace.put("key", CacheEntry { fresh: Duration::ZERO, stale: Duration::ZERO, ..entry(1) }).await.unwrap();
        assert!(!has(&namespace, "key").await);
    }
}
