use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use redis::{Script, ScriptInvocation};
use wasm_host::{BoxFuture, KvEntry, KvError, KvNamespace, KvPage, KvStat, KvStore, KvSwap};

use super::Redis;

/// How often what has expired is removed where nobody asks.
const SWEEP: Duration = Duration::from_secs(10);
/// What stands for no time to live, and for no version: neither is ever negative.
const NONE: i64 = -1;

/// Key-value pairs in a Redis server, which many hosts may share. Needs Redis 6.2 or newer.
///
/// Each change is one script, which the server runs alone: batches are whole, and quotas exact, whoever else writes. Time is
/// the server's. What the server keeps over a restart of its own is its operator's choice.
///
/// A server that is away is [`KvError::Unavailable`] within a second or two, and used again as soon as it is back. Cloning
/// is cheap and gives the same store.
#[derive(Clone)]
pub struct RedisKv(Arc<Inner>);

struct Inner {
    redis: Redis,
    scripts: Scripts,
    /// Namespaces that this process has used.
    seen: Mutex<HashSet<Arc<str>>>,
}

struct Scripts {
    get: Script,
    stat: Script,
    set: Script,
    delete: Script,
    list: Script,
    swap: Script,
    increment: Script,
    sweep: Script,
}

/// What every script begins with. A namespace is five structures: values, versions, the keys in order, when they expire, and
/// its bytes and latest version.
macro_rules! script {
    ($body:literal) => {
        Script::new(concat!(
            r#"
local VALUES, VERSIONS, KEYS_IN_ORDER, EXPIRIES, TOTALS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function bytes() return tonumber(redis.call('HGET', TOTALS, 'bytes') or '0') end

local function remove(key)
  local size = redis.call('HSTRLEN', VALUES, key)
  if redis.call('HDEL', VALUES, key) == 1 then
    redis.call('HDEL', VERSIONS, key)
    redis.call('ZREM', KEYS_IN_ORDER, key)
    redis.call('ZREM', EXPIRIES, key)
    redis.call('HINCRBY', TOTALS, 'bytes', -(#key + size))
  end
end

local function index(key, expires)
  redis.call('HSET', VERSIONS, key, redis.call('HINCRBY', TOTALS, 'version', 1))
  redis.call('ZADD', KEYS_IN_ORDER, 0, key)
  if expires then redis.call('ZADD', EXPIRIES, expires, key) else redis.call('ZREM', EXPIRIES, key) end
end

-- Pairs of a key, a value and a time to live from this argument on, all or none.
local function keep(from, max_keys, max_bytes)
  local keys, had = redis.call('HLEN', VALUES), bytes()
  local wants_keys, wants = keys, had
  for i = from, #ARGV, 3 do
    local key, value = ARGV[i], ARGV[i + 1]
    if redis.call('HEXISTS', VALUES, key) == 1 then
      wants = wants - redis.call('HSTRLEN', VALUES, key) + #value
    else
      wants_keys, wants = wants_keys + 1, wants + #key + #value
    end
  end
  if wants_keys > tonumber(max_keys) and wants_keys > keys then return redis.error_reply('KVKEYS quota') end
  if wants > tonumber(max_bytes) and wants > had then return redis.error_reply('KVBYTES quota') end
  for i = from, #ARGV, 3 do
    local ttl = tonumber(ARGV[i + 2])
    redis.call('HSET', VALUES, ARGV[i], ARGV[i + 1])
    index(ARGV[i], ttl >= 0 and now + ttl)
  end
  redis.call('HSET', TOTALS, 'bytes', wants)
end

while true do
  local expired = redis.call('ZRANGEBYSCORE', EXPIRIES, '-inf', now, 'LIMIT', 0, 500)
  if #expired == 0 then break end
  for _, key in ipairs(expired) do remove(key) end
end
"#,
            $body
        ))
    };
}

impl Scripts {
    fn new() -> Self {
        Self {
            get: script!(
                r#"
local size = 0
for i = 2, #ARGV do size = size + redis.call('HSTRLEN', VALUES, ARGV[i]) end
if size > tonumber(ARGV[1]) then return redis.error_reply('KVLARGE answer') end
local values = {}
for i = 2, #ARGV do values[i - 1] = redis.call('HGET', VALUES, ARGV[i]) end
return values
"#
            ),
            stat: script!(
                r#"
local version = redis.call('HGET', VERSIONS, ARGV[1])
if not version then return {-1, -1} end
local at = redis.call('ZSCORE', EXPIRIES, ARGV[1])
return {tonumber(version), at and at - now or -1}
"#
            ),
            set: script!("return keep(3, ARGV[1], ARGV[2])"),
            delete: script!("for i = 1, #ARGV do remove(ARGV[i]) end"),
            list: script!(
                r#"
local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]
return redis.call('ZRANGEBYLEX', KEYS_IN_ORDER, from, '+', 'LIMIT', 0, ARGV[2])
"#
            ),
            swap: script!(
                r#"
local version = tonumber(redis.call('HGET', VERSIONS, ARGV[4]) or '-1')
if version ~= tonumber(ARGV[3]) then return {0, version} end
local refused = keep(4, ARGV[1], ARGV[2])
return refused or {1, -1}
"#
            ),
            // A number of 64 bits is more than one of Lua holds: it is read back as text.
            increment: script!(
                r#"
local key = ARGV[3]
local old, size = redis.call('HGET', VALUES, key), redis.call('HSTRLEN', VALUES, key)
if not old and redis.call('HLEN', VALUES) >= tonumber(ARGV[1]) then return redis.error_reply('KVKEYS quota') end
local sum = redis.pcall('HINCRBY', VALUES, key, ARGV[4])
if type(sum) == 'table' then
  return string.sub(sum.err, 1, 3) == 'OOM' and sum or redis.error_reply('KVNUMBER none')
end
local grown = redis.call('HSTRLEN', VALUES, key) - size
if not old then grown = grown + #key end
if grown > 0 and bytes() + grown > tonumber(ARGV[2]) then
  if old then redis.call('HSET', VALUES, key, old) else redis.call('HDEL', VALUES, key) end
  return redis.error_reply('KVBYTES quota')
end
redis.call('HINCRBY', TOTALS, 'bytes', grown)
local ttl = tonumber(ARGV[5])
local expires = redis.call('ZSCORE', EXPIRIES, key)
if not old and ttl >= 0 then expires = now + ttl end
index(key, expires)
return redis.call('HGET', VALUES, key)
"#
            ),
            sweep: script!("return 0"),
        }
    }
}

impl RedisKv {
    /// A store in this server. What it keeps there has keys that begin with the prefix of the server, and `kv:`.
    pub fn new(redis: Redis) -> Self {
        let inner = Arc::new(Inner { redis, scripts: Scripts::new(), seen: Mutex::default() });
        inner.redis.spawn(sweep(Arc::downgrade(&inner)));
        Self(inner)
    }

    fn script<'a>(&self, script: &'a Script, namespace: &KvNamespace) -> ScriptInvocation<'a> {
        self.0.see(&namespace.name);
        self.0.invocation(script, &namespace.name)
    }

    async fn run<T: redis::FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, KvError> {
        self.0.redis.run(script).await.map_err(|error| failed(&error))
    }
}

impl KvStore for RedisKv {
    fn get<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        keys: &'a [String],
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, KvError>> {
        Box::pin(async move {
            let mut script = self.script(&self.0.scripts.get, namespace);
            script.arg(max_bytes);
            keys.iter().for_each(|key| _ = script.arg(key));
            let values: Vec<Option<Vec<u8>>> = self.run(&script).await?;
            Ok(values.into_iter().map(|value| value.map(Bytes::from)).collect())
        })
    }

    fn stat<'a>(&'a self, namespace: &'a KvNamespace, key: &'a str) -> BoxFuture<'a, Result<Option<KvStat>, KvError>> {
        Box::pin(async move {
            let mut script = self.script(&self.0.scripts.stat, namespace);
            let (version, ttl): (i64, i64) = self.run(script.arg(key)).await?;
            let ttl = u64::try_from(ttl).ok().map(Duration::from_millis);
            Ok(u64::try_from(version).ok().map(|version| KvStat { version, ttl }))
        })
    }

    fn set<'a>(&'a self, namespace: &'a KvNamespace, entries: Vec<KvEntry>) -> BoxFuture<'a, Result<(), KvError>> {
        Box::pin(async move {
            let mut script = self.script(&self.0.scripts.set, namespace);
            script.arg(namespace.quota.keys).arg(namespace.quota.bytes);
            entries.iter().for_each(|entry| add(&mut script, entry));
            self.run(&script).await
        })
    }

    fn delete<'a>(&'a self, namespace: &'a KvNamespace, keys: &'a [String]) -> BoxFuture<'a, Result<(), KvError>> {
        Box::pin(async move {
            let mut script = self.script(&self.0.scripts.delete, namespace);
            keys.iter().for_each(|key| _ = script.arg(key));
            self.run(&script).await
        })
    }

    fn list<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<KvPage, KvError>> {
        Box::pin(async move {
            let mut script = self.script(&self.0.scripts.list, namespace);
            script.arg(after.unwrap_or_default()).arg(limit.saturating_add(1));
            let mut keys: Vec<String> = self.run(&script).await?;
            let more = keys.len() > limit;
            keys.truncate(limit);
            Ok(KvPage { keys, more })
        })
    }

    fn swap<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        entry: KvEntry,
        version: Option<u64>,
    ) -> BoxFuture<'a, Result<KvSwap, KvError>> {
        Box::pin(async move {
            let version = version.map_or(NONE, |version| i64::try_from(version).unwrap_or(i64::MAX));
            let mut script = self.script(&self.0.scripts.swap, namespace);
            script.arg(namespace.quota.keys).arg(namespace.quota.bytes).arg(version);
            add(&mut script, &entry);
            let (is_done, current): (bool, i64) = self.run(&script).await?;
            Ok(if is_done { KvSwap::Done } else { KvSwap::Changed(u64::try_from(current).ok()) })
        })
    }

    fn increment<'a>(
        &'a self,
        namespace: &'a KvNamespace,
        key: &'a str,
        delta: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, KvError>> {
        Box::pin(async move {
            let mut script = self.script(&self.0.scripts.increment, namespace);
            script.arg(namespace.quota.keys).arg(namespace.quota.bytes).arg(key).arg(delta).arg(milliseconds(ttl));
            self.run(&script).await
        })
    }
}

fn add(script: &mut ScriptInvocation<'_>, entry: &KvEntry) {
    script.arg(&entry.key).arg(&*entry.value).arg(milliseconds(entry.ttl));
}

fn milliseconds(ttl: Option<Duration>) -> i64 {
    ttl.map_or(NONE, |ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}

fn failed(error: &redis::RedisError) -> KvError {
    match error.code() {
        Some("KVKEYS") => KvError::KeysQuota,
        Some("KVBYTES") => KvError::BytesQuota,
        Some("KVLARGE") => KvError::TooLarge,
        Some("KVNUMBER") => KvError::NotANumber,
        Some("OOM") => KvError::Full,
        _ => KvError::Unavailable { reason: error.to_string() },
    }
}

/// Removes what has expired in the namespaces that were used, as long as the store is there.
async fn sweep(store: Weak<Inner>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(store) = store.upgrade() else { return };
        let seen: Vec<_> = store.seen().iter().cloned().collect();
        for namespace in seen {
            // Away: it is tried again the next time.
            let _: Result<i64, _> = store.redis.run(&store.invocation(&store.scripts.sweep, &namespace)).await;
        }
    }
}

impl Inner {
    fn invocation<'a>(&self, script: &'a Script, namespace: &str) -> ScriptInvocation<'a> {
        // One slot of a cluster for each namespace, whatever its name is.
        let key = |structure: &str| format!("{}kv:{{{namespace}}}:{structure}", self.redis.prefix());
        let mut invocation = script.prepare_invoke();
        for structure in ["values", "versions", "keys", "expiries", "totals"] {
            invocation.key(key(structure));
        }
        invocation
    }

    fn see(&self, namespace: &Arc<str>) {
        let mut seen = self.seen();
        if !seen.contains(namespace) {
            seen.insert(Arc::clone(namespace));
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashSet<Arc<str>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RedisKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisKv").field("redis", &self.0.redis).finish_non_exhaustive()
    }
}
