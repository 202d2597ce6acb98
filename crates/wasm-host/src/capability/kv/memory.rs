use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    ops::Bound,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::{BoxFuture, KvEntry, KvError, KvNamespace, KvPage, KvStat, KvStore, KvSwap, number};

/// What a pair takes besides its key and its value: nodes of trees and their slack.
const PAIR: usize = 200;
/// How often expired pairs are looked for that nobody asks for.
const SWEEP: Duration = Duration::from_secs(1);

/// The default store: in the memory of this process, gone when it ends, with a bound on the whole.
///
/// What expires is freed at most a second later, whether or not anybody asks for it. Cloning is cheap and gives the same
/// store.
#[derive(Clone)]
pub struct MemoryKv(Arc<Shared>);

struct Shared {
    spaces: RwLock<HashMap<Arc<str>, Arc<Mutex<Space>>>>,
    /// Bytes that all pairs take, [`PAIR`] included.
    held: AtomicUsize,
    max_bytes: usize,
    now: Box<dyn Fn() -> Duration + Send + Sync>,
    has_sweeper: AtomicBool,
}

#[derive(Default)]
struct Space {
    pairs: BTreeMap<Arc<str>, Pair>,
    expiries: BTreeSet<(Duration, Arc<str>)>,
    /// What the quota counts.
    bytes: u64,
    versions: u64,
}

struct Pair {
    value: Bytes,
    version: u64,
    expires: Option<Duration>,
}

impl Default for MemoryKv {
    /// Holds 256 MiB.
    fn default() -> Self {
        Self::new(Self::BYTES)
    }
}

impl MemoryKv {
    /// What the default store takes at most.
    pub const BYTES: usize = 256 << 20;

    /// A store that takes no more than this many bytes of memory for all namespaces together, to within what a pair takes
    /// besides its key and value, which is reckoned at 200 bytes.
    pub fn new(max_bytes: usize) -> Self {
        let origin = Instant::now();
        Self::with_clock(max_bytes, move || origin.elapsed())
    }

    /// One that reads the time, since any moment in the past, from here.
    pub fn with_clock(max_bytes: usize, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            spaces: RwLock::default(),
            held: AtomicUsize::new(0),
            max_bytes,
            now: Box::new(now),
            has_sweeper: AtomicBool::new(false),
        }))
    }

    /// Bytes that all pairs take now.
    pub fn bytes(&self) -> usize {
        self.0.held.load(Relaxed)
    }

    /// Works on a namespace in which nothing is expired.
    fn with<T>(&self, namespace: &KvNamespace, work: impl FnOnce(&mut Space, Duration) -> T) -> T {
        let now = (self.0.now)();
        let space = self.0.space(&namespace.name);
        let mut space = space.lock();
        self.0.release(space.sweep(now));
        work(&mut space, now)
    }

    /// Keeps pairs if quota and memory allow it.
    fn put(
        &self,
        space: &mut Space,
        namespace: &KvNamespace,
        entries: Vec<KvEntry>,
        expires: impl Fn(&KvEntry) -> Option<Duration>,
    ) -> Result<(), KvError> {
        let (mut keys, mut bytes) = (space.pairs.len() as u64, space.bytes);
        let (mut added, mut freed) = (0, 0);
        for entry in &entries {
            let old = space.pairs.get(&*entry.key).map(|pair| pair.value.len());
            keys += u64::from(old.is_none());
            bytes += entry.bytes();
            added += entry.key.len() + entry.value.len() + PAIR;
            if let Some(old) = old {
                bytes -= (entry.key.len() + old) as u64;
                freed += entry.key.len() + old + PAIR;
            }
        }
        if keys > namespace.quota.keys && keys > space.pairs.len() as u64 {
            return Err(KvError::KeysQuota);
        }
        if bytes > namespace.quota.bytes && bytes > space.bytes {
            return Err(KvError::BytesQuota);
        }
        if !self.0.reserve(added.saturating_sub(freed)) {
            return Err(KvError::Full);
        }
        self.0.release(freed.saturating_sub(added));
        for entry in entries {
            let expires = expires(&entry);
            if expires.is_some() {
                self.0.start_sweeper();
            }
            space.put(entry.key.into(), entry.value, expires);
        }
        Ok(())
    }
}

impl KvStore for MemoryKv {
    fn get<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        keys: &'a [String],
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, KvError>> {
        let found: Vec<_> = self.with(namespace, |space, _| {
            keys.iter().map(|key| space.pairs.get(&**key).map(|pair| pair.value.clone())).collect()
        });
        let bytes: usize = found.iter().flatten().map(Bytes::len).sum();
        ready(if bytes > max_bytes { Err(KvError::TooLarge) } else { Ok(found) })
    }

    fn stat<'a>(&'a self, namespace: &'a KvNamespace, key: &'a str) -> BoxFuture<'a, Result<Option<KvStat>, KvError>> {
        ready(Ok(self.with(namespace, |space, now| {
            let pair = space.pairs.get(key)?;
            Some(KvStat { version: pair.version, ttl: pair.expires.map(|at| at.saturating_sub(now)) })
        })))
    }

    fn set<'a>(&'a self, namespace: &'a KvNamespace, entries: Vec<KvEntry>) -> BoxFuture<'a, Result<(), KvError>> {
        ready(self.with(namespace, |space, now| {
            self.put(space, namespace, entries, |entry| entry.ttl.map(|ttl| now.saturating_add(ttl)))
        }))
    }

    fn delete<'a>(&'a self, namespace: &'a KvNamespace, keys: &'a [String]) -> BoxFuture<'a, Result<(), KvError>> {
        self.with(namespace, |space, _| self.0.release(keys.iter().map(|key| space.remove(key)).sum()));
        ready(Ok(()))
    }

    fn list<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<KvPage, KvError>> {
        ready(Ok(self.with(namespace, |space, _| {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let mut keys = space.pairs.range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key.to_string());
            KvPage { keys: keys.by_ref().take(limit).collect(), more: keys.next().is_some() }
        })))
    }

    fn swap<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        entry: KvEntry,
        version: Option<u64>,
    ) -> BoxFuture<'a, Result<KvSwap, KvError>> {
        ready(self.with(namespace, |space, now| {
            let current = space.pairs.get(&*entry.key).map(|pair| pair.version);
            if current != version {
                return Ok(KvSwap::Changed(current));
            }
            let expires = |entry: &KvEntry| entry.ttl.map(|ttl| now.saturating_add(ttl));
            self.put(space, namespace, vec![entry], expires).map(|()| KvSwap::Done)
        }))
    }

    fn increment<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        key: &'a str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, KvError>> {
        ready(self.with(namespace, |space, now| {
            let (current, expires) = match space.pairs.get(key) {
                Some(pair) => (number(&pair.value), pair.expires),
                None => (Some(0), ttl.map(|ttl| now.saturating_add(ttl))),
            };
            let sum = current.and_then(|number| number.checked_add(delta)).ok_or(KvError::NotANumber)?;
            let entry = KvEntry { key: key.to_owned(), value: sum.to_string().into(), ttl: None };
            self.put(space, namespace, vec![entry], |_| expires)?;
            Ok(sum)
        }))
    }
}

fn ready<'a, T: Send + 'a>(result: Result<T, KvError>) -> BoxFuture<'a, Result<T, KvError>> {
    Box::pin(std::future::ready(result))
}

impl Shared {
    fn space(&self, name: &Arc<str>) -> Arc<Mutex<Space>> {
        if let Some(space) = self.spaces.read().get(name) {
            return Arc::clone(space);
        }
        Arc::clone(self.spaces.write().entry(Arc::clone(name)).or_default())
    }

    /// Takes bytes of the whole. When there are not enough, what is expired elsewhere makes room.
    fn reserve(&self, bytes: usize) -> bool {
        let take = || {
            let fits = |held: usize| held.checked_add(bytes).filter(|held| *held <= self.max_bytes);
            bytes == 0 || self.held.fetch_update(Relaxed, Relaxed, fits).is_ok()
        };
        take() || {
            self.sweep();
            take()
        }
    }

    fn release(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// Frees what is expired, in each namespace that nobody works on.
    fn sweep(&self) {
        let now = (self.now)();
        for space in self.spaces.read().values() {
            if let Some(mut space) = space.try_lock() {
                self.release(space.sweep(now));
            }
        }
    }

    /// A thread that frees what nobody asks for any more. It ends with the store.
    fn start_sweeper(self: &Arc<Self>) {
        if self.has_sweeper.load(Relaxed) || self.has_sweeper.swap(true, Relaxed) {
            return;
        }
        let store = Arc::downgrade(self);
        let started = thread::Builder::new().name("kv-sweeper".to_owned()).spawn(move || {
            while let Some(store) = Weak::upgrade(&store) {
                store.sweep();
                drop(store);
                thread::sleep(SWEEP);
            }
        });
        if started.is_err() {
            self.has_sweeper.store(false, Relaxed);
        }
    }
}

impl Space {
    /// Removes what is expired. The bytes that it took.
    fn sweep(&mut self, now: Duration) -> usize {
        let mut freed = 0;
        while self.expiries.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.expiries.pop_first() else { break };
            freed += self.remove(&key);
        }
        freed
    }

    /// Removes a pair. The bytes that it took.
    fn remove(&mut self, key: &str) -> usize {
        let Some((key, pair)) = self.pairs.remove_entry(key) else { return 0 };
        let bytes = key.len() + pair.value.len();
        self.bytes -= bytes as u64;
        if let Some(at) = pair.expires {
            self.expiries.remove(&(at, key));
        }
        bytes + PAIR
    }

    fn put(&mut self, key: Arc<str>, value: Bytes, expires: Option<Duration>) {
        self.remove(&key);
        self.versions += 1;
        self.bytes += (key.len() + value.len()) as u64;
        if let Some(at) = expires {
            self.expiries.insert((at, Arc::clone(&key)));
        }
        self.pairs.insert(key, Pair { value, version: self.versions, expires });
    }
}

impl fmt::Debug for MemoryKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKv").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::KvQuota, *};

    fn entry(key: &str, bytes: usize, ttl: Option<u64>) -> KvEntry {
        KvEntry { key: key.to_owned(), value: vec![b'x'; bytes].into(), ttl: ttl.map(Duration::from_millis) }
    }

    #[tokio::test]
    async fn the_whole_is_bounded_and_what_expires_makes_room() {
        let now = Arc::new(AtomicUsize::new(0));
        let clock = Arc::clone(&now);
        let store = MemoryKv::with_clock(10_000, move || Duration::from_millis(clock.load(Relaxed) as u64));
        let (one, other) = (KvNamespace::new("one", KvQuota::default()), KvNamespace::new("other", KvQuota::default()));
        store.set(&one, vec![entry("a", 5000, Some(10))]).await.unwrap();
        store.set(&other, vec![entry("a", 4000, None)]).await.unwrap();
        assert_eq!(store.set(&other, vec![entry("b", 5000, None)]).await, Err(KvError::Full));
        now.store(10, Relaxed);
        assert_eq!(store.set(&other, vec![entry("b", 5000, None)]).await, Ok(()));
        assert_eq!(store.bytes(), 9002 + 2 * PAIR);
    }

    #[tokio::test]
    async fn a_flood_of_empty_values_is_bounded_too() {
        let store = MemoryKv::new(100 * PAIR);
        let namespace = KvNamespace::new("n", KvQuota { keys: u64::MAX, ..KvQuota::default() });
        let mut kept = 0;
        while store.set(&namespace, vec![entry(&kept.to_string(), 0, None)]).await.is_ok() {
            kept += 1;
        }
        assert!((90..100).contains(&kept), "{kept}");
        store.delete(&namespace, &(0..kept).map(|key| key.to_string()).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(store.bytes(), 0);
    }

    #[tokio::test]
    async fn what_nobody_asks_for_is_freed() {
        let store = MemoryKv::default();
        let namespace = KvNamespace::new("n", KvQuota::default());
        store.set(&namespace, vec![entry("a", 1000, Some(1))]).await.unwrap();
        assert!(store.bytes() > 1000);
        let freed = tokio::time::timeout(Duration::from_secs(20), async {
            while store.bytes() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        freed.await.unwrap();
    }
}
