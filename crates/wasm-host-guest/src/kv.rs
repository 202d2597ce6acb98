//! Pairs of a key and a value that outlive the instance. They need the operator's grant.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use wasm_host_guest::{Result, kv::Bucket};
//!
//! /// Counts the logins of a user within a minute from the first.
//! fn logins(user: &str) -> Result<i64> {
//!     let bucket = Bucket::own()?;
//!     Ok(bucket.increment_for(&format!("logins/{user}"), 1, Duration::from_secs(60))?)
//! }
//! ```

use std::{fmt, time::Duration};

use crate::bindings::imports::{
    wasi::keyvalue::{
        atomics::Cas,
        batch,
        store::{self, Error as StoreError},
    },
    wasm_host::plugin::kv::{self, Entry, KvError as Refusal, Lifetime as Remaining, SwapError as Refused},
};

/// How often [`Bucket::update`] tries again when others change the key at the same time.
const TRIES: u32 = 32;

/// A namespace of pairs: the plugin's own, or one that plugins share.
///
/// A key is any text of 1 to 512 bytes.
#[derive(Debug)]
pub struct Bucket(store::Bucket);

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvError {
    /// The operator did not grant the bucket, or granted reading only.
    Denied,
    /// The bucket has no room: too many keys, or too many bytes.
    QuotaExceeded,
    /// The value, or the answer, has too many bytes.
    TooLarge,
    /// More than 1,000 keys at once.
    TooManyAtOnce,
    /// Not a key, or not a time to live.
    Invalid,
    /// The value is not a number, or the sum none of 64 bits.
    NotANumber,
    /// The store cannot be reached, failed, or is full.
    Unavailable,
    /// Others changed the key each time that [`Bucket::update`] tried.
    Contended,
    /// What the host says of any other failure.
    Other(String),
}

/// How long a pair is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// It is not there.
    Absent,
    /// Until it is deleted.
    Unlimited,
    /// That long, if it is not set again.
    For(Duration),
}

/// One page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The keys.
    pub keys: Vec<String>,
    /// What asks for the next page; none: this is the last one.
    pub cursor: Option<String>,
}

/// What a key was at one moment: the base of a change that happens only if nobody else changed the key meanwhile.
#[derive(Debug)]
pub struct Watch(Cas);

/// What came of a [swap](Watch::swap).
#[derive(Debug)]
pub enum Swapped {
    /// The value is kept.
    Done,
    /// Somebody else changed the key: nothing happened. The key as it is now.
    Changed(Watch),
}

impl Bucket {
    /// The plugin's own bucket.
    pub fn own() -> Result<Self, KvError> {
        Self::open("default")
    }

    /// A bucket that plugins share, by its name.
    pub fn open(name: &str) -> Result<Self, KvError> {
        Ok(Self(store::open(name)?))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.0.get(key)?)
    }

    /// Keeps a value until it is deleted.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), KvError> {
        Ok(kv::set(&self.0, key, value.as_ref(), None)?)
    }

    /// Keeps a value for so long.
    pub fn set_for(&self, key: &str, value: impl AsRef<[u8]>, ttl: Duration) -> Result<(), KvError> {
        Ok(kv::set(&self.0, key, value.as_ref(), Some(milliseconds(ttl)))?)
    }

    /// Removes a key, if it is there.
    pub fn delete(&self, key: &str) -> Result<(), KvError> {
        Ok(self.0.delete(key)?)
    }

    /// Whether a key is there.
    pub fn exists(&self, key: &str) -> Result<bool, KvError> {
        Ok(self.0.exists(key)?)
    }

    /// How long a pair is still kept.
    pub fn lifetime(&self, key: &str) -> Result<Lifetime, KvError> {
        Ok(match kv::remaining(&self.0, key)? {
            Remaining::Absent => Lifetime::Absent,
            Remaining::Unlimited => Lifetime::Unlimited,
            Remaining::Ms(ms) => Lifetime::For(Duration::from_millis(ms)),
        })
    }

    /// Adds to a number, and gives the sum. An absent key counts as 0.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, KvError> {
        Ok(kv::increment(&self.0, key, delta, None)?)
    }

    /// The same; the key is kept for so long from the first time on.
    pub fn increment_for(&self, key: &str, delta: i64, ttl: Duration) -> Result<i64, KvError> {
        Ok(kv::increment(&self.0, key, delta, Some(milliseconds(ttl)))?)
    }

    /// The values of up to 1,000 keys, in their order.
    pub fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, KvError> {
        Ok(batch::get_many(&self.0, keys)?.into_iter().map(|(_, value)| value).collect())
    }

    /// Keeps up to 1,000 values, all or none, until they are deleted or for so long.
    pub fn set_many<K: Into<String>, V: Into<Vec<u8>>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
        ttl: Option<Duration>,
    ) -> Result<(), KvError> {
        let ttl_ms = ttl.map(milliseconds);
        let entry = |(key, value): (K, V)| Entry { key: key.into(), value: value.into(), ttl_ms };
        let entries: Vec<_> = pairs.into_iter().map(entry).collect();
        Ok(kv::set_many(&self.0, &entries)?)
    }

    /// Removes up to 1,000 keys.
    pub fn delete_many(&self, keys: &[String]) -> Result<(), KvError> {
        Ok(batch::delete_many(&self.0, keys)?)
    }

    /// One page of keys: the first, or the one that a cursor asks for.
    pub fn page(&self, cursor: Option<&str>) -> Result<Page, KvError> {
        let page = self.0.list_keys(cursor)?;
        Ok(Page { keys: page.keys, cursor: page.cursor })
    }

    /// All keys, page by page.
    pub fn keys(&self) -> impl Iterator<Item = Result<String, KvError>> {
        let (mut page, mut started) = (Page::default().keys.into_iter(), false);
        let mut cursor: Option<String> = None;
        std::iter::from_fn(move || {
            loop {
                if let Some(key) = page.next() {
                    return Some(Ok(key));
                }
                if started && cursor.is_none() {
                    return None;
                }
                started = true;
                match self.page(cursor.take().as_deref()) {
                    Ok(next) => {
                        page = next.keys.into_iter();
                        cursor = next.cursor;
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// Remembers what a key is, for a change that nobody else gets into.
    pub fn watch(&self, key: &str) -> Result<Watch, KvError> {
        Ok(Watch(Cas::new(&self.0, key)?))
    }

    /// Makes a key's value out of the one it has, again and again until nobody else changed it meanwhile. The value that is
    /// kept.
    pub fn update(&self, key: &str, mut change: impl FnMut(Option<Vec<u8>>) -> Vec<u8>) -> Result<Vec<u8>, KvError> {
        let mut watch = self.watch(key)?;
        for _ in 0..TRIES {
            let value = change(watch.current()?);
            match watch.swap(&value)? {
                Swapped::Done => return Ok(value),
                Swapped::Changed(again) => watch = again,
            }
        }
        Err(KvError::Contended)
    }
}

impl Watch {
    /// The value of the key; none when it is absent.
    pub fn current(&self) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.0.current()?)
    }

    /// Keeps a value, if nobody changed the key since this was made.
    pub fn swap(self, value: impl AsRef<[u8]>) -> Result<Swapped, KvError> {
        swapped(kv::swap(self.0, value.as_ref(), None))
    }

    /// Keeps a value for so long, if nobody changed the key since this was made.
    pub fn swap_for(self, value: impl AsRef<[u8]>, ttl: Duration) -> Result<Swapped, KvError> {
        swapped(kv::swap(self.0, value.as_ref(), Some(milliseconds(ttl))))
    }
}

fn swapped(result: Result<(), Refused>) -> Result<Swapped, KvError> {
    match result {
        Ok(()) => Ok(Swapped::Done),
        Err(Refused::Changed(watch)) => Ok(Swapped::Changed(Watch(watch))),
        Err(Refused::Error(error)) => Err(error.into()),
    }
}

/// No less than one: what is not zero does not become it.
fn milliseconds(ttl: Duration) -> u64 {
    let rounded_up = ttl.as_nanos().div_ceil(1_000_000);
    u64::try_from(rounded_up).unwrap_or(u64::MAX)
}

impl std::error::Error for KvError {}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::Denied => "`grants.kv` does not grant it",
            Self::QuotaExceeded => "the bucket has as many keys or bytes as it may",
            Self::TooLarge => "the value, or the answer, has too many bytes",
            Self::TooManyAtOnce => "more than 1,000 keys at once",
            Self::Invalid => "a key has 1 to 512 bytes, a time to live is 1 ms to 3,650 days",
            Self::NotANumber => "not a number of 64 bits",
            Self::Unavailable => "the store is not available",
            Self::Contended => "others change the key all the time",
            Self::Other(why) => why,
        };
        write!(f, "key-value store: {why}")
    }
}

impl From<StoreError> for KvError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchStore | StoreError::AccessDenied => Self::Denied,
            StoreError::Other(why) => Self::Other(why),
        }
    }
}

impl From<Refusal> for KvError {
    fn from(error: Refusal) -> Self {
        match error {
            Refusal::Denied => Self::Denied,
            Refusal::InvalidKey | Refusal::InvalidTtl => Self::Invalid,
            Refusal::TooLarge => Self::TooLarge,
            Refusal::TooManyAtOnce => Self::TooManyAtOnce,
            Refusal::KeysQuota | Refusal::BytesQuota => Self::QuotaExceeded,
            Refusal::NotANumber => Self::NotANumber,
            Refusal::Full | Refusal::Unavailable => Self::Unavailable,
        }
    }
}
