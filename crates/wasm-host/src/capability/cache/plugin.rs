use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Cache, CacheContent, CacheEntry, CacheNamespace, CacheQuota, CacheUnavailable, CachedResponse};
use crate::{Clock, compute::home};

/// Bytes of a key.
const KEY_BYTES: usize = 1024;
/// What a time is cut to.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long one caller has to make a stale entry anew before another one is told to.
const LEASE: Duration = Duration::from_secs(10);
/// Entries that may be made anew at one moment. For others that are stale nobody is told to.
const LEASES: usize = 1024;

/// What a plugin did with its cache since it was loaded, and what it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Look-ups that found a fresh entry.
    pub hits: u64,
    /// Look-ups that found nothing to use.
    pub misses: u64,
    /// Look-ups that found a stale entry.
    pub stale: u64,
    /// Entries that were stored.
    pub stores: u64,
    /// Entries that were dropped to make room for those that it stored.
    pub evictions: u64,
    /// Bytes of its entries now.
    pub bytes: u64,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CacheProblem {
    Denied,
    InvalidKey,
    TooLarge,
    /// With the reason, for the operator.
    Unavailable(String),
}

impl From<CacheUnavailable> for CacheProblem {
    fn from(error: CacheUnavailable) -> Self {
        Self::Unavailable(error.reason)
    }
}

/// How long an entry is to be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheLifetime {
    pub(crate) fresh: Duration,
    pub(crate) stale: Duration,
}

/// An entry that was found.
#[derive(Debug)]
pub(crate) struct CacheHit<T> {
    pub(crate) content: T,
    pub(crate) age: Duration,
    pub(crate) is_stale: bool,
    /// Whether this caller is to make it anew.
    pub(crate) renew: bool,
}

/// The cache of one plugin: what it may keep, what is still to be used, and who makes it anew.
#[derive(Debug)]
pub(crate) struct PluginCache {
    granted: Option<Granted>,
    clock: Arc<dyn Clock>,
    counters: Counters,
}

#[derive(Debug)]
struct Granted {
    entries: Arc<dyn CacheNamespace>,
    value_bytes: usize,
    /// Keys of entries that are being made anew, with the clock's time when that is over.
    leases: Mutex<HashMap<Box<str>, Duration>>,
}

impl Granted {
    async fn entries(&self) -> &dyn CacheNamespace {
        home().await;
        &*self.entries
    }
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    stores: AtomicU64,
    evictions: AtomicU64,
}

impl PluginCache {
    pub(crate) fn new(cache: &dyn Cache, clock: Arc<dyn Clock>, plugin: &str, quota: Option<CacheQuota>) -> Self {
        let granted = quota.map(|quota| Granted {
            entries: cache.namespace(plugin, quota.bytes),
            value_bytes: quota.value_bytes,
            leases: Mutex::default(),
        });
        Self { granted, clock, counters: Counters::default() }
    }

    /// The value of a key.
    pub(crate) async fn value(&self, key: &str) -> Result<Option<CacheHit<Bytes>>, CacheProblem> {
        self.look_up(key, |content| match content {
            CacheContent::Value(value) => Some(value),
            CacheContent::Response(_) => None,
        })
        .await
    }

    /// The response of a key.
    pub(crate) async fn response(&self, key: &str) -> Result<Option<CacheHit<CachedResponse>>, CacheProblem> {
        self.look_up(key, |content| match content {
            CacheContent::Response(response) => Some(response),
            CacheContent::Value(_) => None,
        })
        .await
    }

    /// Keeps an entry in the place of what the key had. Whoever was making that anew is done.
    pub(crate) async fn put(
        &self,
        key: &str,
        content: CacheContent,
        lifetime: CacheLifetime,
    ) -> Result<(), CacheProblem> {
        let granted = self.granted(key)?;
        let size = match &content {
            CacheContent::Value(value) => value.len(),
            CacheContent::Response(response) => response.size(),
        };
        if size > granted.value_bytes {
            return Err(CacheProblem::TooLarge);
        }
        let entry = CacheEntry {
            content,
            stored_at: self.clock.wall(),
            fresh: lifetime.fresh.min(LONGEST),
            stale: lifetime.stale.min(LONGEST),
        };
        let evicted = granted.entries().await.put(key, entry).await?;
        granted.leases.lock().remove(key);
        self.counters.stores.fetch_add(1, Relaxed);
        self.counters.evictions.fetch_add(evicted, Relaxed);
        Ok(())
    }

    /// Drops what the key has, and says whether that was anything.
    pub(crate) async fn delete(&self, key: &str) -> Result<bool, CacheProblem> {
        let granted = self.granted(key)?;
        let existed = granted.entries().await.delete(key).await?;
        granted.leases.lock().remove(key);
        Ok(existed)
    }

    pub(crate) fn stats(&self) -> Option<CacheStats> {
        let granted = self.granted.as_ref()?;
        Some(CacheStats {
            hits: self.counters.hits.load(Relaxed),
            misses: self.counters.misses.load(Relaxed),
            stale: self.counters.stale.load(Relaxed),
            stores: self.counters.stores.load(Relaxed),
            evictions: self.counters.evictions.load(Relaxed),
            bytes: granted.entries.bytes(),
        })
    }

    fn granted(&self, key: &str) -> Result<&Granted, CacheProblem> {
        let granted = self.granted.as_ref().ok_or(CacheProblem::Denied)?;
        if key.is_empty() || key.len() > KEY_BYTES {
            return Err(CacheProblem::InvalidKey);
        }
        Ok(granted)
    }

    async fn look_up<T>(
        &self,
        key: &str,
        wanted: impl FnOnce(CacheContent) -> Option<T>,
    ) -> Result<Option<CacheHit<T>>, CacheProblem> {
        let granted = self.granted(key)?;
        let found = granted.entries().await.get(key).await?.and_then(|entry| {
            // An entry from the future was stored before the clock was set back: its age is not known, so it is new.
            let age = self.clock.wall().duration_since(entry.stored_at).unwrap_or_default();
            let is_usable = age < entry.lifetime();
            let is_stale = age >= entry.fresh;
            let content = wanted(entry.content).filter(|_| is_usable)?;
            Some(CacheHit { content, age, is_stale, renew: false })
        });
        let counter = match &found {
            None => &self.counters.misses,
            Some(hit) if hit.is_stale => &self.counters.stale,
            Some(_) => &self.counters.hits,
        };
        counter.fetch_add(1, Relaxed);
        Ok(found.map(|hit| CacheHit { renew: hit.is_stale && granted.lease(key, self.clock.monotonic()), ..hit }))
    }
}

impl Granted {
    /// Whether the caller is the one to make the entry anew.
    fn lease(&self, key: &str, now: Duration) -> bool {
        let mut leases = self.leases.lock();
        if leases.get(key).is_some_and(|ends| now < *ends) {
            return false;
        }
        if leases.len() >= LEASES {
            leases.retain(|_, ends| now < *ends);
        }
        if leases.len() >= LEASES {
            return false;
        }
        leases.insert(key.into(), now.saturating_add(LEASE));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{ManualClock, MemoryCache};

    const SECOND: Duration = Duration::from_secs(1);

    fn lifetime(fresh: u32, stale: u32) -> CacheLifetime {
        CacheLifetime { fresh: SECOND * fresh, stale: SECOND * stale }
    }

    fn value(text: &'static str) -> CacheContent {
        CacheContent::Value(text.into())
    }

    const QUOTA: CacheQuota = CacheQuota { bytes: 1 << 20, value_bytes: 1000 };

    fn cache(quota: Option<CacheQuota>) -> (PluginCache, ManualClock) {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let cache = PluginCache::new(&MemoryCache::default(), Arc::new(clock.clone()), "plugin", quota);
        (cache, clock)
    }

    #[tokio::test]
    async fn an_entry_is_fresh_then_stale_then_gone() {
        let (cache, clock) = cache(Some(QUOTA));
        cache.put("key", value("a"), lifetime(10, 5)).await.unwrap();
        let look = async || cache.value("key").await.unwrap().map(|found| (found.age.as_secs(), found.is_stale));
        assert_eq!(look().await, Some((0, false)));
        clock.advance(SECOND * 9);
        assert_eq!(look().await, Some((9, false)));
        clock.advance(SECOND);
        assert_eq!(look().await, Some((10, true)));
        clock.advance(SECOND * 5);
        assert_eq!(look().await, None);
        let stats = cache.stats().unwrap();
        assert_eq!((stats.hits, stats.stale, stats.misses, stats.stores), (2, 1, 1, 1));
        assert_eq!(stats.bytes, 3 + 1 + 128);
    }

    #[tokio::test]
    async fn one_caller_makes_a_stale_entry_anew() {
        let (cache, clock) = cache(Some(QUOTA));
        let told = async || cache.value("key").await.unwrap().unwrap().renew;
        cache.put("key", value("a"), lifetime(1, 100)).await.unwrap();
        assert!(!told().await);
        clock.advance(SECOND);
        assert_eq!([told().await, told().await, told().await], [true, false, false]);
        // The one that was told to did not come back.
        clock.advance(LEASE);
        assert_eq!([told().await, told().await], [true, false]);
        // This one did, and the entry is fresh.
        cache.put("key", value("b"), lifetime(1, 100)).await.unwrap();
        assert!(!told().await);
        clock.advance(SECOND);
        assert_eq!([told().await, told().await], [true, false]);
    }

    #[tokio::test]
    async fn few_entries_are_made_anew_at_once() {
        let (cache, clock) = cache(Some(QUOTA));
        for key in 0..=LEASES {
            cache.put(&key.to_string(), value("a"), lifetime(0, 100)).await.unwrap();
        }
        let told = async |key: usize| cache.value(&key.to_string()).await.unwrap().unwrap().renew;
        for key in 0..LEASES {
            assert!(told(key).await);
        }
        assert!(!told(LEASES).await);
        clock.advance(LEASE);
        assert!(told(LEASES).await);
    }

    #[tokio::test]
    async fn refuses_what_is_not_granted() {
        let (cache, _) = cache(None);
        assert_eq!(cache.value("key").await.unwrap_err(), CacheProblem::Denied);
        assert_eq!(cache.put("key", value("a"), lifetime(1, 0)).await.unwrap_err(), CacheProblem::Denied);
        assert_eq!(cache.delete("key").await.unwrap_err(), CacheProblem::Denied);
        assert_eq!(cache.stats(), None);
    }

    #[tokio::test]
    async fn refuses_keys_and_values_out_of_bounds() {
        let (cache, _) = cache(Some(CacheQuota { value_bytes: 3, ..QUOTA }));
        let put = async |key: &str, text| cache.put(key, value(text), lifetime(1, 0)).await;
        assert_eq!(put("", "a").await, Err(CacheProblem::InvalidKey));
        assert_eq!(put(&"k".repeat(KEY_BYTES + 1), "a").await, Err(CacheProblem::InvalidKey));
        assert_eq!(put("key", "1234").await, Err(CacheProblem::TooLarge));
        assert_eq!(put(&"k".repeat(KEY_BYTES), "123").await, Ok(()));
    }

    #[tokio::test]
    async fn a_response_is_no_value() {
        let (cache, _) = cache(Some(QUOTA));
        cache.put("key", value("a"), lifetime(1, 0)).await.unwrap();
        assert!(cache.response("key").await.unwrap().is_none());
        assert_eq!([cache.delete("key").await, cache.delete("key").await], [Ok(true), Ok(false)]);
        assert!(cache.value("key").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_longest_times_do_not_overflow() {
        let (cache, _) = cache(Some(QUOTA));
        let longest = CacheLifetime { fresh: Duration::MAX, stale: Duration::MAX };
        cache.put("key", value("a"), longest).await.unwrap();
        assert!(cache.value("key").await.unwrap().is_some());
    }
}
