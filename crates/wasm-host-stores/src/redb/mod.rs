mod tables;
mod writer;

use std::{fmt, ops::Bound, path::Path, sync::Arc, time::Duration, time::SystemTime};

use bytes::Bytes;
use redb::{Database, ReadableDatabase};
use wasm_host::{BoxFuture, KvEntry, KvError, KvNamespace, KvPage, KvStat, KvStore, KvSwap};

use self::{
    tables::{Now, PAIRS, Tables, is_live, unavailable},
    writer::Writer,
};

/// Key-value pairs in a file on this machine. They survive the end of the process, however it ends.
///
/// A change is on disk before its caller hears of it. Changes that come at the same time go to disk together: one thread
/// writes, and the more there is to do, the more it does at once. One process uses a file at a time.
///
/// Cloning is cheap and gives the same store. Dropping the last clone waits for the changes under way.
#[derive(Clone)]
pub struct RedbKv(Arc<Inner>);

struct Inner {
    writer: Writer,
    database: Arc<Database>,
    now: Now,
}

/// Why a file cannot be used as a store.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the store `{path}`: {source}")]
pub struct RedbError {
    path: String,
    source: redb::Error,
}

impl RedbKv {
    /// The store in this file, which is made when it is not there. It fails when another process uses the file.
    ///
    /// Reads and may repair the file: not for a thread that serves requests.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RedbError> {
        Self::with_clock(path, || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    /// One that reads the time since the start of 1970 from here.
    pub fn with_clock(
        path: impl AsRef<Path>,
        now: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Result<Self, RedbError> {
        let path = path.as_ref();
        let open = || -> Result<_, redb::Error> {
            let database = Arc::new(Database::create(path)?);
            let transaction = database.begin_write()?;
            Tables::open(&transaction)?;
            transaction.commit()?;
            let now: Now = Arc::new(move || u64::try_from(now().as_millis()).unwrap_or(u64::MAX));
            let writer = Writer::start(Arc::clone(&database), Arc::clone(&now))?;
            Ok(Inner { writer, database, now })
        };
        let inner = open().map_err(|source| RedbError { path: path.display().to_string(), source })?;
        Ok(Self(Arc::new(inner)))
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, KvError> + Send + 'static,
    ) -> Result<T, KvError> {
        self.0.writer.write(work).await
    }

    /// Reads on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Pairs, u64) -> Result<T, KvError> + Send + 'static,
    ) -> Result<T, KvError> {
        let (database, now) = (Arc::clone(&self.0.database), (self.0.now)());
        let reading = tokio::task::spawn_blocking(move || {
            let transaction = database.begin_read().map_err(unavailable)?;
            read(&transaction.open_table(PAIRS).map_err(unavailable)?, now)
        });
        reading.await.map_err(unavailable)?
    }
}

type Pairs = redb::ReadOnlyTable<(&'static str, &'static str), (u64, u64, &'static [u8])>;

impl KvStore for RedbKv {
    fn get<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        keys: &'a [String],
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, KvError>> {
        let (name, keys) = (Arc::clone(&namespace.name), keys.to_vec());
        Box::pin(self.read(move |pairs, now| {
            let mut left = max_bytes;
            let get = |key: &String| {
                let Some(pair) = pairs.get((&*name, key.as_str())).map_err(unavailable)? else { return Ok(None) };
                let (_, expires, value) = pair.value();
                if !is_live(expires, now) {
                    return Ok(None);
                }
                left = left.checked_sub(value.len()).ok_or(KvError::TooLarge)?;
                Ok(Some(Bytes::copy_from_slice(value)))
            };
            keys.iter().map(get).collect()
        }))
    }

    fn stat<'a>(&'a self, namespace: &'a KvNamespace, key: &'a str) -> BoxFuture<'a, Result<Option<KvStat>, KvError>> {
        let (name, key) = (Arc::clone(&namespace.name), key.to_owned());
        Box::pin(self.read(move |pairs, now| {
            let Some(pair) = pairs.get((&*name, key.as_str())).map_err(unavailable)? else { return Ok(None) };
            let (version, expires, _) = pair.value();
            let left = expires.checked_sub(now).filter(|_| expires > 0);
            Ok(is_live(expires, now).then(|| KvStat { version, ttl: left.map(Duration::from_millis) }))
        }))
    }

    fn set<'a>(&'a self, namespace: &'a KvNamespace, entries: Vec<KvEntry>) -> BoxFuture<'a, Result<(), KvError>> {
        let namespace = namespace.clone();
        Box::pin(self.write(move |tables| tables.keep(&namespace, &entries)))
    }

    fn delete<'a>(&'a self, namespace: &'a KvNamespace, keys: &'a [String]) -> BoxFuture<'a, Result<(), KvError>> {
        let (name, keys) = (Arc::clone(&namespace.name), keys.to_vec());
        Box::pin(self.write(move |tables| keys.iter().try_for_each(|key| tables.remove(&name, key))))
    }

    fn list<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<KvPage, KvError>> {
        let (name, after) = (Arc::clone(&namespace.name), after.map(str::to_owned));
        Box::pin(self.read(move |pairs, now| {
            let from = match &after {
                Some(after) => Bound::Excluded((&*name, after.as_str())),
                None => Bound::Included((&*name, "")),
            };
            let mut page = KvPage::default();
            for pair in pairs.range::<(&str, &str)>((from, Bound::Unbounded)).map_err(unavailable)? {
                let (key, value) = pair.map_err(unavailable)?;
                let (space, key) = key.value();
                if space != &*name {
                    break;
                }
                if !is_live(value.value().1, now) {
                    continue;
                }
                if page.keys.len() == limit {
                    page.more = true;
                    break;
                }
                page.keys.push(key.to_owned());
            }
            Ok(page)
        }))
    }

    fn swap<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        entry: KvEntry,
        version: Option<u64>,
    ) -> BoxFuture<'a, Result<KvSwap, KvError>> {
        let namespace = namespace.clone();
        Box::pin(self.write(move |tables| {
            let current = tables.version(&namespace.name, &entry.key)?;
            if current != version {
                return Ok(KvSwap::Changed(current));
            }
            tables.keep(&namespace, &[entry]).map(|()| KvSwap::Done)
        }))
    }

    fn increment<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        key: &'a str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, KvError>> {
        let (namespace, key) = (namespace.clone(), key.to_owned());
        Box::pin(self.write(move |tables| tables.increment(&namespace, key, delta, ttl)))
    }
}

impl fmt::Debug for RedbKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbKv").finish_non_exhaustive()
    }
}
