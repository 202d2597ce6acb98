//! Guest → host: key-value pairs. What waits holds no thread.

use wasmtime::{Result, component::Resource};

use super::bindings::{
    wasi::keyvalue::{
        atomics::{self, CasError},
        batch,
        store::{self as keyvalue, Error, KeyResponse},
    },
    wasm_host::plugin::kv::{self, Entry, KvError, Lifetime, SwapError},
};
use crate::{
    LogLevel, capability,
    capability::{KvBucket, KvProblem, KvWatch},
    store::HostState,
};

type Bucket = Resource<KvBucket>;
type Watch = Resource<KvWatch>;

impl HostState {
    /// Counts one hostcall, and gives the bucket it is about.
    fn bucket(&mut self, bucket: &Bucket) -> Result<KvBucket> {
        self.count_hostcall()?;
        Ok(self.table.get(bucket)?.clone())
    }

    /// Tells the operator what he can change; the guest learns the rest.
    fn tell(&mut self, problem: KvProblem) -> KvProblem {
        match &problem {
            KvProblem::Denied { key, what } => self.denied("kv", key, what),
            KvProblem::Failed(error @ (capability::KvError::Unavailable { .. } | capability::KvError::Full)) => {
                self.log(LogLevel::Warn, "host", &format!("kv: {error}"));
            }
            _ => {}
        }
        problem
    }

    fn answer<T, E: From<KvProblem>>(&mut self, result: Result<T, KvProblem>) -> Result<Result<T, E>> {
        Ok(result.map_err(|problem| self.tell(problem).into()))
    }

    async fn swap_watched<E: From<KvProblem>>(
        &mut self,
        watch: Watch,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
        changed: impl FnOnce(Watch) -> E,
    ) -> Result<Result<(), E>> {
        self.count_hostcall()?;
        let watch = self.table.delete(watch)?;
        match self.plugin.clone().kv.swap(watch, value, ttl_ms).await {
            Ok(Ok(())) => Ok(Ok(())),
            Ok(Err(watch)) => Ok(Err(changed(self.table.push(watch)?))),
            Err(problem) => self.answer(Err(problem)),
        }
    }
}

impl keyvalue::Host for HostState {
    fn open(&mut self, identifier: String) -> Result<Result<Bucket, Error>> {
        self.count_hostcall()?;
        match self.plugin.kv.open(&identifier) {
            Ok(bucket) => Ok(Ok(self.table.push(bucket)?)),
            Err(problem) => self.answer(Err(problem)),
        }
    }
}

impl keyvalue::HostBucket for HostState {
    async fn get(&mut self, bucket: Bucket, key: String) -> Result<Result<Option<Vec<u8>>, Error>> {
        let bucket = self.bucket(&bucket)?;
        let found = self.plugin.clone().kv.get(&bucket, &[key]).await;
        self.answer(found.map(|values| values.into_iter().flatten().next().map(Into::into)))
    }

    async fn set(&mut self, bucket: Bucket, key: String, value: Vec<u8>) -> Result<Result<(), Error>> {
        let bucket = self.bucket(&bucket)?;
        let set = self.plugin.clone().kv.set(&bucket, vec![(key, value, None)]).await;
        self.answer(set)
    }

    async fn delete(&mut self, bucket: Bucket, key: String) -> Result<Result<(), Error>> {
        let bucket = self.bucket(&bucket)?;
        let deleted = self.plugin.clone().kv.delete(&bucket, &[key]).await;
        self.answer(deleted)
    }

    async fn exists(&mut self, bucket: Bucket, key: String) -> Result<Result<bool, Error>> {
        let bucket = self.bucket(&bucket)?;
        let stat = self.plugin.clone().kv.stat(&bucket, &key).await;
        self.answer(stat.map(|stat| stat.is_some()))
    }

    async fn list_keys(&mut self, bucket: Bucket, cursor: Option<String>) -> Result<Result<KeyResponse, Error>> {
        let bucket = self.bucket(&bucket)?;
        let page = self.plugin.clone().kv.list(&bucket, cursor.as_deref()).await;
        self.answer(page.map(|(keys, cursor)| KeyResponse { keys, cursor }))
    }

    fn drop(&mut self, bucket: Bucket) -> Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::HostCas for HostState {
    async fn new(&mut self, bucket: Bucket, key: String) -> Result<Result<Watch, Error>> {
        let bucket = self.bucket(&bucket)?;
        match self.plugin.clone().kv.watch(bucket, key).await {
            Ok(watch) => Ok(Ok(self.table.push(watch)?)),
            Err(problem) => self.answer(Err(problem)),
        }
    }

    async fn current(&mut self, watch: Watch) -> Result<Result<Option<Vec<u8>>, Error>> {
        self.count_hostcall()?;
        let watch = self.table.get(&watch)?.clone();
        let current = self.plugin.clone().kv.current(&watch).await;
        self.answer(current.map(|value| value.map(Into::into)))
    }

    fn drop(&mut self, watch: Watch) -> Result<()> {
        self.table.delete(watch)?;
        Ok(())
    }
}

impl atomics::Host for HostState {
    async fn increment(&mut self, bucket: Bucket, key: String, delta: i64) -> Result<Result<i64, Error>> {
        let bucket = self.bucket(&bucket)?;
        let sum = self.plugin.clone().kv.increment(&bucket, &key, delta, None).await;
        self.answer(sum)
    }

    async fn swap(&mut self, watch: Watch, value: Vec<u8>) -> Result<Result<(), CasError>> {
        self.swap_watched(watch, value, None, CasError::CasFailed).await
    }
}

impl batch::Host for HostState {
    async fn get_many(
        &mut self,
        bucket: Bucket,
        keys: Vec<String>,
    ) -> Result<Result<Vec<(String, Option<Vec<u8>>)>, Error>> {
        let bucket = self.bucket(&bucket)?;
        let values = self.plugin.clone().kv.get(&bucket, &keys).await;
        self.answer(values.map(|values| keys.into_iter().zip(values.into_iter().map(|v| v.map(Into::into))).collect()))
    }

    async fn set_many(&mut self, bucket: Bucket, pairs: Vec<(String, Vec<u8>)>) -> Result<Result<(), Error>> {
        let bucket = self.bucket(&bucket)?;
        let pairs = pairs.into_iter().map(|(key, value)| (key, value, None)).collect();
        let set = self.plugin.clone().kv.set(&bucket, pairs).await;
        self.answer(set)
    }

    async fn delete_many(&mut self, bucket: Bucket, keys: Vec<String>) -> Result<Result<(), Error>> {
        let bucket = self.bucket(&bucket)?;
        let deleted = self.plugin.clone().kv.delete(&bucket, &keys).await;
        self.answer(deleted)
    }
}

impl kv::Host for HostState {
    async fn set(
        &mut self,
        bucket: Bucket,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> Result<Result<(), KvError>> {
        let bucket = self.bucket(&bucket)?;
        let set = self.plugin.clone().kv.set(&bucket, vec![(key, value, ttl_ms)]).await;
        self.answer(set)
    }

    async fn set_many(&mut self, bucket: Bucket, entries: Vec<Entry>) -> Result<Result<(), KvError>> {
        let bucket = self.bucket(&bucket)?;
        let pairs = entries.into_iter().map(|entry| (entry.key, entry.value, entry.ttl_ms)).collect();
        let set = self.plugin.clone().kv.set(&bucket, pairs).await;
        self.answer(set)
    }

    async fn increment(
        &mut self,
        bucket: Bucket,
        key: String,
        delta: i64,
        ttl_ms: Option<u64>,
    ) -> Result<Result<i64, KvError>> {
        let bucket = self.bucket(&bucket)?;
        let sum = self.plugin.clone().kv.increment(&bucket, &key, delta, ttl_ms).await;
        self.answer(sum)
    }

    async fn swap(&mut self, watch: Watch, value: Vec<u8>, ttl_ms: Option<u64>) -> Result<Result<(), SwapError>> {
        self.swap_watched(watch, value, ttl_ms, SwapError::Changed).await
    }

    async fn remaining(&mut self, bucket: Bucket, key: String) -> Result<Result<Lifetime, KvError>> {
        let bucket = self.bucket(&bucket)?;
        let stat = self.plugin.clone().kv.stat(&bucket, &key).await;
        self.answer(stat.map(|stat| {
            match stat {
                None => Lifetime::Absent,
                Some(stat) => stat.ttl.map_or(Lifetime::Unlimited, |ttl| {
                    Lifetime::Ms(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
                }),
            }
        }))
    }
}

impl From<KvProblem> for KvError {
    fn from(problem: KvProblem) -> Self {
        use capability::KvError as E;

        match problem {
            KvProblem::Denied { .. } => Self::Denied,
            KvProblem::InvalidKey => Self::InvalidKey,
            KvProblem::InvalidTtl => Self::InvalidTtl,
            KvProblem::ValueTooLarge | KvProblem::Failed(E::TooLarge) => Self::TooLarge,
            KvProblem::TooManyAtOnce => Self::TooManyAtOnce,
            KvProblem::Failed(E::KeysQuota) => Self::KeysQuota,
            KvProblem::Failed(E::BytesQuota) => Self::BytesQuota,
            KvProblem::Failed(E::NotANumber) => Self::NotANumber,
            KvProblem::Failed(E::Full) => Self::Full,
            KvProblem::Failed(E::Unavailable { .. }) => Self::Unavailable,
        }
    }
}

impl From<KvProblem> for Error {
    fn from(problem: KvProblem) -> Self {
        let words = match KvError::from(problem) {
            KvError::Denied => return Self::AccessDenied,
            KvError::InvalidKey => "a key has 1 to 512 bytes",
            KvError::InvalidTtl => "a time to live is 1 ms to 3,650 days",
            KvError::TooLarge => "over the limit on bytes of a value, or of an answer",
            KvError::TooManyAtOnce => "a batch has at most 1,000 keys",
            KvError::KeysQuota => "the bucket has as many keys as it may",
            KvError::BytesQuota => "the bucket has as many bytes as it may",
            KvError::NotANumber => "not a number of 64 bits",
            KvError::Full => "the store is full",
            KvError::Unavailable => "the store is not available",
        };
        Self::Other(words.to_owned())
    }
}

impl From<KvProblem> for CasError {
    fn from(problem: KvProblem) -> Self {
        Self::StoreError(problem.into())
    }
}

impl From<KvProblem> for SwapError {
    fn from(problem: KvProblem) -> Self {
        Self::Error(problem.into())
    }
}
