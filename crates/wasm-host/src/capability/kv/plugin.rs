use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::{KvAccess, KvEntry, KvError, KvGrants, KvNamespace, KvQuota, KvStat, KvStore, KvSwap};
use crate::compute::home;

/// Bytes of one key.
const KEY_BYTES: usize = 512;
/// Keys of one batch, and of one page.
const BATCH: usize = 1000;
/// The longest time to live: over it a clock's arithmetic ends before the pair does.
const MAX_TTL: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// The names under which a plugin has its own namespace.
const OWN: [&str; 2] = ["", "default"];

/// The store of an engine, and the quotas of the namespaces that plugins share.
#[derive(Clone, Debug)]
pub(crate) struct KvSpaces {
    pub(crate) backend: Arc<dyn KvStore>,
    pub(crate) shared: HashMap<String, KvQuota>,
}

/// The namespaces of one plugin: which it may open, and what it may do there.
#[derive(Debug)]
pub(crate) struct PluginKv {
    backend: Arc<dyn KvStore>,
    own: Bucket,
    shared: BTreeMap<String, Bucket>,
    /// Bytes of the values of one answer.
    answer_bytes: usize,
}

/// A namespace that a guest has opened.
#[derive(Clone, Debug)]
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct KvBucket(Arc<Bucket>);

#[derive(Clone, Debug)]
struct Bucket {
    /// As the operator knows it.
    name: String,
    key: &'static str,
    access: KvAccess,
    namespace: KvNamespace,
}

/// What a key was at one moment.
#[derive(Clone, Debug)]
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct KvWatch {
    bucket: KvBucket,
    key: String,
    version: Option<u64>,
}

/// Why a plugin did not get what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KvProblem {
    /// What was denied, and the key of the config that would grant it.
    Denied {
        key: &'static str,
        what: String,
    },
    InvalidKey,
    InvalidTtl,
    ValueTooLarge,
    TooManyAtOnce,
    Failed(KvError),
}

type Answer<T = ()> = Result<T, KvProblem>;

impl From<KvError> for KvProblem {
    fn from(error: KvError) -> Self {
        Self::Failed(error)
    }
}

impl PluginKv {
    pub(crate) fn new(spaces: &KvSpaces, plugin: &str, grants: &KvGrants, quota: KvQuota, answer_bytes: usize) -> Self {
        let own = Bucket {
            name: "default".to_owned(),
            key: "grants.kv.own",
            access: grants.own,
            namespace: KvNamespace::new(format!("plugin:{plugin}"), quota),
        };
        let share = |(name, access): (&String, &KvAccess)| {
            let quota = spaces.shared.get(name).copied().unwrap_or_default();
            let namespace = KvNamespace::new(format!("shared:{name}"), quota);
            (name.clone(), Bucket { name: name.clone(), key: "grants.kv.shared", access: *access, namespace })
        };
        let shared = grants.shared.iter().map(share).collect();
        Self { backend: Arc::clone(&spaces.backend), own, shared, answer_bytes }
    }

    /// The namespace of a name, if the plugin may use it.
    pub(crate) fn open(&self, identifier: &str) -> Answer<KvBucket> {
        let denied = |key| Err(KvProblem::Denied { key, what: format!("the bucket `{identifier}`") });
        if OWN.contains(&identifier) {
            return if self.own.access == KvAccess::None {
                denied("grants.kv.own")
            } else {
                Ok(KvBucket(Arc::new(self.own.clone())))
            };
        }
        match self.shared.get(identifier) {
            Some(bucket) if bucket.access != KvAccess::None => Ok(KvBucket(Arc::new(bucket.clone()))),
            _ => denied("grants.kv.shared"),
        }
    }

    async fn backend(&self) -> &dyn KvStore {
        home().await;
        &*self.backend
    }

    pub(crate) async fn get(&self, bucket: &KvBucket, keys: &[String]) -> Answer<Vec<Option<Bytes>>> {
        check_keys(keys)?;
        Ok(self.backend().await.get(&bucket.0.namespace, keys, self.answer_bytes).await?)
    }

    pub(crate) async fn stat(&self, bucket: &KvBucket, key: &str) -> Answer<Option<KvStat>> {
        check_key(key)?;
        Ok(self.backend().await.stat(&bucket.0.namespace, key).await?)
    }

    /// Keeps pairs, each with its time to live in milliseconds. Of pairs with the same key the last one counts.
    pub(crate) async fn set(&self, bucket: &KvBucket, pairs: Vec<(String, Vec<u8>, Option<u64>)>) -> Answer {
        bucket.check_write()?;
        if pairs.len() > BATCH {
            return Err(KvProblem::TooManyAtOnce);
        }
        let mut entries = BTreeMap::new();
        for (key, value, ttl) in pairs {
            let entry = bucket.entry(key, value, ttl)?;
            entries.insert(entry.key.clone(), entry);
        }
        Ok(self.backend().await.set(&bucket.0.namespace, entries.into_values().collect()).await?)
    }

    pub(crate) async fn delete(&self, bucket: &KvBucket, keys: &[String]) -> Answer {
        bucket.check_write()?;
        check_keys(keys)?;
        Ok(self.backend().await.delete(&bucket.0.namespace, keys).await?)
    }

    /// One page of keys, and what asks for the next one.
    pub(crate) async fn list(&self, bucket: &KvBucket, cursor: Option<&str>) -> Answer<(Vec<String>, Option<String>)> {
        cursor.map_or(Ok(()), check_key)?;
        let page = self.backend().await.list(&bucket.0.namespace, cursor, BATCH).await?;
        let next = page.keys.last().filter(|_| page.more).cloned();
        Ok((page.keys, next))
    }

    pub(crate) async fn increment(&self, bucket: &KvBucket, key: &str, delta: i64, ttl: Option<u64>) -> Answer<i64> {
        bucket.check_write()?;
        check_key(key)?;
        let ttl = ttl.map(ttl_of).transpose()?;
        Ok(self.backend().await.increment(&bucket.0.namespace, key, delta, ttl).await?)
    }

    /// Remembers what a key is.
    pub(crate) async fn watch(&self, bucket: KvBucket, key: String) -> Answer<KvWatch> {
        let version = self.stat(&bucket, &key).await?.map(|stat| stat.version);
        Ok(KvWatch { bucket, key, version })
    }

    pub(crate) async fn current(&self, watch: &KvWatch) -> Answer<Option<Bytes>> {
        Ok(self.get(&watch.bucket, std::slice::from_ref(&watch.key)).await?.pop().flatten())
    }

    /// Keeps the value if nothing has changed; otherwise what the key is now.
    pub(crate) async fn swap(&self, watch: KvWatch, value: Vec<u8>, ttl: Option<u64>) -> Answer<Result<(), KvWatch>> {
        let KvWatch { bucket, key, version } = watch;
        bucket.check_write()?;
        let entry = bucket.entry(key.clone(), value, ttl)?;
        match self.backend().await.swap(&bucket.0.namespace, entry, version).await? {
            KvSwap::Done => Ok(Ok(())),
            KvSwap::Changed(version) => Ok(Err(KvWatch { bucket, key, version })),
        }
    }
}

impl KvBucket {
    fn check_write(&self) -> Answer {
        let Bucket { name, key, access, .. } = &*self.0;
        match access {
            KvAccess::ReadWrite => Ok(()),
            _ => Err(KvProblem::Denied { key, what: format!("a change of the bucket `{name}`") }),
        }
    }

    fn entry(&self, key: String, value: Vec<u8>, ttl: Option<u64>) -> Answer<KvEntry> {
        check_key(&key)?;
        if value.len() > self.0.namespace.quota.value_bytes {
            return Err(KvProblem::ValueTooLarge);
        }
        Ok(KvEntry { key, value: value.into(), ttl: ttl.map(ttl_of).transpose()? })
    }
}

fn check_key(key: &str) -> Answer {
    if (1..=KEY_BYTES).contains(&key.len()) { Ok(()) } else { Err(KvProblem::InvalidKey) }
}

fn check_keys(keys: &[String]) -> Answer {
    if keys.len() > BATCH {
        return Err(KvProblem::TooManyAtOnce);
    }
    keys.iter().try_for_each(|key| check_key(key))
}

fn ttl_of(milliseconds: u64) -> Answer<Duration> {
    let ttl = Duration::from_millis(milliseconds);
    if ttl.is_zero() || ttl > MAX_TTL { Err(KvProblem::InvalidTtl) } else { Ok(ttl) }
}

#[cfg(test)]
mod tests {
    use super::{super::MemoryKv, *};

    fn spaces() -> KvSpaces {
        KvSpaces {
            backend: Arc::new(MemoryKv::default()),
            shared: HashMap::from([("small".to_owned(), KvQuota { keys: 1, ..KvQuota::default() })]),
        }
    }

    fn plugin(spaces: &KvSpaces, name: &str, grants: &KvGrants) -> PluginKv {
        PluginKv::new(spaces, name, grants, KvQuota { value_bytes: 100, ..KvQuota::default() }, 150)
    }

    fn pair(key: &str, bytes: usize) -> Vec<(String, Vec<u8>, Option<u64>)> {
        vec![(key.to_owned(), vec![b'x'; bytes], None)]
    }

    #[test]
    fn opens_what_is_granted() {
        let kv = plugin(&spaces(), "p", &KvGrants::default());
        let denied = |key, name: &str| KvProblem::Denied { key, what: format!("the bucket `{name}`") };
        assert_eq!(kv.open("").unwrap_err(), denied("grants.kv.own", ""));
        assert_eq!(kv.open("default").unwrap_err(), denied("grants.kv.own", "default"));
        assert_eq!(kv.open("plugin:p").unwrap_err(), denied("grants.kv.shared", "plugin:p"));
        let grants = KvGrants::own().and_shared("small", KvAccess::Read).and_shared("none", KvAccess::None);
        let kv = plugin(&spaces(), "p", &grants);
        assert!(kv.open("").is_ok() && kv.open("default").is_ok() && kv.open("small").is_ok());
        assert_eq!(kv.open("none").unwrap_err(), denied("grants.kv.shared", "none"));
    }

    #[tokio::test]
    async fn a_grant_to_read_is_none_to_write() {
        let kv = plugin(&spaces(), "p", &KvGrants::default().and_shared("small", KvAccess::Read));
        let bucket = kv.open("small").unwrap();
        let denied = KvProblem::Denied { key: "grants.kv.shared", what: "a change of the bucket `small`".into() };
        assert_eq!(kv.set(&bucket, pair("k", 1)).await, Err(denied.clone()));
        assert_eq!(kv.delete(&bucket, &["k".to_owned()]).await, Err(denied.clone()));
        assert_eq!(kv.increment(&bucket, "k", 1, None).await, Err(denied.clone()));
        let watch = kv.watch(bucket.clone(), "k".to_owned()).await.unwrap();
        assert_eq!(kv.swap(watch, vec![1], None).await.unwrap_err(), denied);
        assert_eq!(kv.list(&bucket, None).await, Ok((Vec::new(), None)));
    }

    #[tokio::test]
    async fn namespaces_are_apart_and_shared_ones_are_shared() {
        let spaces = spaces();
        let grants = KvGrants::own().and_shared("small", KvAccess::ReadWrite);
        let (one, other) = (plugin(&spaces, "one", &grants), plugin(&spaces, "other", &grants));
        let key = ["k".to_owned()];
        one.set(&one.open("").unwrap(), pair("k", 1)).await.unwrap();
        assert_eq!(other.get(&other.open("").unwrap(), &key).await, Ok(vec![None]));
        one.set(&one.open("small").unwrap(), pair("k", 2)).await.unwrap();
        assert_eq!(other.get(&other.open("small").unwrap(), &key).await, Ok(vec![Some("xx".into())]));
        let full = other.set(&other.open("small").unwrap(), pair("other", 1)).await;
        assert_eq!(full, Err(KvError::KeysQuota.into()), "a shared namespace has the quota of its name");
    }

    #[tokio::test]
    async fn refuses_what_is_no_key_or_too_much() {
        let kv = plugin(&spaces(), "p", &KvGrants::own());
        let bucket = kv.open("").unwrap();
        for key in ["", &"k".repeat(513)] {
            assert_eq!(kv.set(&bucket, pair(key, 1)).await, Err(KvProblem::InvalidKey));
            assert_eq!(kv.list(&bucket, Some(key)).await, Err(KvProblem::InvalidKey));
        }
        assert_eq!(kv.set(&bucket, pair(&"k".repeat(512), 100)).await, Ok(()));
        assert_eq!(kv.set(&bucket, pair("k", 101)).await, Err(KvProblem::ValueTooLarge));
        assert_eq!(kv.get(&bucket, &vec!["k".to_owned(); 1001]).await, Err(KvProblem::TooManyAtOnce));
        let twice = vec!["k".repeat(512); 2];
        assert_eq!(kv.get(&bucket, &twice).await, Err(KvError::TooLarge.into()), "of one value, again and again");
        for ttl in [0, u64::MAX] {
            assert_eq!(kv.increment(&bucket, "n", 1, Some(ttl)).await, Err(KvProblem::InvalidTtl));
        }
    }

    #[tokio::test]
    async fn the_last_of_a_batch_counts() {
        let kv = plugin(&spaces(), "p", &KvGrants::own());
        let bucket = kv.open("").unwrap();
        let pairs = [pair("k", 1), pair("l", 1), pair("k", 2)].concat();
        kv.set(&bucket, pairs).await.unwrap();
        assert_eq!(kv.get(&bucket, &["k".to_owned()]).await, Ok(vec![Some("xx".into())]));
    }

    #[tokio::test]
    async fn a_swap_says_what_the_key_is_now() {
        let kv = plugin(&spaces(), "p", &KvGrants::own());
        let bucket = kv.open("").unwrap();
        let watch = async || kv.watch(bucket.clone(), "k".to_owned()).await.unwrap();
        let (first, late) = (watch().await, watch().await);
        assert!(kv.swap(first, vec![1], None).await.unwrap().is_ok());
        let again = kv.swap(late, vec![2], None).await.unwrap().unwrap_err();
        assert_eq!(kv.current(&again).await, Ok(Some(vec![1].into())));
        assert!(kv.swap(again, vec![2], None).await.unwrap().is_ok());
    }
}
