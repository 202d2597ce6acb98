use std::{sync::Arc, time::Duration};

use redb::{ReadableTable, Table, TableDefinition, TableError, WriteTransaction};
use wasm_host::{KvEntry, KvError, KvNamespace};

/// Milliseconds since the start of 1970.
pub(super) type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Namespace and key; version, when it expires (0: never) and value.
pub(super) const PAIRS: TableDefinition<'_, (&str, &str), (u64, u64, &[u8])> = TableDefinition::new("kv-pairs");
/// When, namespace and key.
pub(super) const EXPIRIES: TableDefinition<'_, (u64, &str, &str), ()> = TableDefinition::new("kv-expiries");
/// Namespace; keys, bytes and latest version.
const TOTALS: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("kv-totals");

/// What a transaction changes. Nothing in it is expired.
pub(super) struct Tables<'a> {
    pairs: Table<'a, (&'static str, &'static str), (u64, u64, &'static [u8])>,
    expiries: Table<'a, (u64, &'static str, &'static str), ()>,
    totals: Table<'a, &'static str, (u64, u64, u64)>,
    now: u64,
}

/// What of a pair the quota and the indices need.
struct Known {
    version: u64,
    expires: u64,
    bytes: u64,
}

pub(super) fn is_live(expires: u64, now: u64) -> bool {
    expires == 0 || expires > now
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> KvError {
    KvError::Unavailable { reason: error.to_string() }
}

impl<'a> Tables<'a> {
    pub(super) fn open(transaction: &'a WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            pairs: transaction.open_table(PAIRS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            totals: transaction.open_table(TOTALS)?,
            now: 0,
        })
    }

    /// Removes what is expired by now.
    pub(super) fn sweep(&mut self, now: u64) -> Result<(), KvError> {
        self.now = now;
        let mut expired = Vec::new();
        for entry in self.expiries.range(..(now.saturating_add(1), "", "")).map_err(unavailable)? {
            let (key, ()) = entry.map(|(key, unit)| (key, unit.value())).map_err(unavailable)?;
            let (_, namespace, key) = key.value();
            expired.push((namespace.to_owned(), key.to_owned()));
        }
        expired.iter().try_for_each(|(namespace, key)| self.remove(namespace, key))
    }

    pub(super) fn version(&self, namespace: &str, key: &str) -> Result<Option<u64>, KvError> {
        Ok(self.known(namespace, key)?.map(|known| known.version))
    }

    /// Keeps pairs, all or none.
    pub(super) fn keep(&mut self, namespace: &KvNamespace, entries: &[KvEntry]) -> Result<(), KvError> {
        let expires = |entry: &KvEntry| self.expiry(entry.ttl);
        let expiries: Vec<_> = entries.iter().map(expires).collect();
        self.keep_until(namespace, entries, &expiries)
    }

    pub(super) fn increment(
        &mut self,
        namespace: &KvNamespace,
        key: String,
        delta: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, KvError> {
        let (current, expires) = match self.pairs.get((&*namespace.name, key.as_str())).map_err(unavailable)? {
            Some(pair) => (number(pair.value().2), pair.value().1),
            None => (Some(0), self.expiry(ttl)),
        };
        let sum = current.and_then(|number| number.checked_add(delta)).ok_or(KvError::NotANumber)?;
        let entry = KvEntry { key, value: sum.to_string().into(), ttl: None };
        self.keep_until(namespace, &[entry], &[expires])?;
        Ok(sum)
    }

    pub(super) fn remove(&mut self, namespace: &str, key: &str) -> Result<(), KvError> {
        let Some(known) = self.known(namespace, key)? else { return Ok(()) };
        self.pairs.remove((namespace, key)).map_err(unavailable)?;
        self.forget_expiry(&known, namespace, key)?;
        let (keys, bytes, version) = self.total(namespace)?;
        self.totals.insert(namespace, (keys - 1, bytes - known.bytes, version)).map_err(unavailable)?;
        Ok(())
    }

    fn keep_until(&mut self, namespace: &KvNamespace, entries: &[KvEntry], expiries: &[u64]) -> Result<(), KvError> {
        let (name, quota) = (&*namespace.name, namespace.quota);
        let (had_keys, had_bytes, mut version) = self.total(name)?;
        let (mut keys, mut bytes) = (had_keys, had_bytes);
        let mut known = Vec::with_capacity(entries.len());
        for entry in entries {
            let old = self.known(name, &entry.key)?;
            keys += u64::from(old.is_none());
            bytes = bytes + entry.bytes() - old.as_ref().map_or(0, |old| old.bytes);
            known.push(old);
        }
        if keys > quota.keys && keys > had_keys {
            return Err(KvError::KeysQuota);
        }
        if bytes > quota.bytes && bytes > had_bytes {
            return Err(KvError::BytesQuota);
        }
        for ((entry, expires), old) in entries.iter().zip(expiries).zip(known) {
            if let Some(old) = old {
                self.forget_expiry(&old, name, &entry.key)?;
            }
            version += 1;
            let value = (version, *expires, &*entry.value);
            self.pairs.insert((name, entry.key.as_str()), value).map_err(unavailable)?;
            if *expires > 0 {
                self.expiries.insert((*expires, name, entry.key.as_str()), ()).map_err(unavailable)?;
            }
        }
        self.totals.insert(name, (keys, bytes, version)).map_err(unavailable)?;
        Ok(())
    }

    fn forget_expiry(&mut self, known: &Known, namespace: &str, key: &str) -> Result<(), KvError> {
        if known.expires > 0 {
            self.expiries.remove((known.expires, namespace, key)).map_err(unavailable)?;
        }
        Ok(())
    }

    fn known(&self, namespace: &str, key: &str) -> Result<Option<Known>, KvError> {
        let pair = self.pairs.get((namespace, key)).map_err(unavailable)?;
        Ok(pair.map(|pair| {
            let (version, expires, value) = pair.value();
            Known { version, expires, bytes: (key.len() + value.len()) as u64 }
        }))
    }

    fn total(&self, namespace: &str) -> Result<(u64, u64, u64), KvError> {
        Ok(self.totals.get(namespace).map_err(unavailable)?.map(|total| total.value()).unwrap_or_default())
    }

    /// Never 0 for a time to live, which would be forever.
    fn expiry(&self, ttl: Option<Duration>) -> u64 {
        ttl.map_or(0, |ttl| self.now.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)).max(1))
    }
}

fn number(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}
