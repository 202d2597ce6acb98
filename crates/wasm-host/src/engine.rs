use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    Cache, Clock, HttpClient, Inspection, KvQuota, KvStore, LogSink, MemoryCache, MemoryKv, MemoryMetrics,
    MemoryQueues, MemoryRateLimiter, MetricSink, NoHttpClient, Observer, QueueStore, RateLimiter, Result, SecretSource,
    SystemClock, TracingLog,
    capability::{KvSpaces, NoSecrets},
    compile::Source,
    compute::ComputeThreads,
    metrics::NoObserver,
    pool::Pool,
    runtime::{RuntimeConfig, Runtimes},
    store::{Places, Sources},
};

/// What runs guests: the compiler, the memory they live in, and the clock that stops them.
///
/// One for a process is enough. Cloning is cheap and gives the same engine. Its clock's thread stops when the last
/// clone and the last plugin are dropped.
#[derive(Clone)]
pub struct PluginEngine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) runtimes: Runtimes,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) log: Arc<dyn LogSink>,
    pub(crate) metrics: Arc<dyn MetricSink>,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) sources: Sources,
    pub(crate) rate_limiter: Arc<dyn RateLimiter>,
    pub(crate) queues: Arc<dyn QueueStore>,
    pub(crate) secrets: Arc<dyn SecretSource>,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) kv: KvSpaces,
    pub(crate) places: Arc<Places>,
    pub(crate) compute: Arc<ComputeThreads>,
    pools: Mutex<Vec<Weak<Pool>>>,
}

impl Inner {
    /// Makes the idle instances of a pool available to plugins that find no place for theirs.
    pub(crate) fn share(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools.lock();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// Drops one idle instance of the pool that has most of them. Whether there was one.
    pub(crate) fn evict_idle(&self) -> bool {
        let pools: Vec<_> = self.pools.lock().iter().filter_map(Weak::upgrade).collect();
        let fullest = pools.into_iter().max_by_key(|pool| pool.idle_count());
        fullest.is_some_and(|pool| pool.drop_one())
    }
}

impl PluginEngine {
    /// Starts describing an engine.
    pub fn builder() -> PluginEngineBuilder {
        PluginEngineBuilder::default()
    }

    /// Says what a plugin's file is: its kind, its ABI, what it imports and exports, and what of that is missing
    /// here. It fails only for bytes that are not valid WebAssembly.
    ///
    /// Compiles the guest, which may take seconds: not for a thread that serves requests.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspection> {
        crate::inspect::inspect(self.0.runtimes.compiler(false)?, &Source::new(bytes.to_vec()))
    }

    /// The same of a regular file, as large as a plugin may be.
    pub fn inspect_file(&self, path: impl Into<PathBuf>) -> Result<Inspection> {
        crate::inspect::inspect(self.0.runtimes.compiler(false)?, &Source::of_file(path.into())?)
    }

    /// How often code was compiled, of all plugins since the engine was made. Code that another plugin has already, or
    /// that comes from the cache directory, is not compiled; a new configuration compiles nothing.
    pub fn compilations(&self) -> u64 {
        self.0.runtimes.compilations()
    }
}

impl fmt::Debug for PluginEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginEngine").finish_non_exhaustive()
    }
}

const SHORTEST_TICK: Duration = Duration::from_micros(100);

/// Builds a [`PluginEngine`].
#[derive(Debug)]
pub struct PluginEngineBuilder {
    max_instances: u32,
    stack_size: usize,
    tick: Duration,
    cache_dir: Option<PathBuf>,
    observer: Arc<dyn Observer>,
    log: Arc<dyn LogSink>,
    metrics: Arc<dyn MetricSink>,
    cache: Arc<dyn Cache>,
    sources: Sources,
    rate_limiter: Option<Arc<dyn RateLimiter>>,
    queues: Arc<dyn QueueStore>,
    secrets: Arc<dyn SecretSource>,
    http: Arc<dyn HttpClient>,
    kv: Option<Arc<dyn KvStore>>,
    kv_shared: HashMap<String, KvQuota>,
}

impl Default for PluginEngineBuilder {
    fn default() -> Self {
        Self {
            max_instances: 1000,
            stack_size: 512 << 10,
            tick: Duration::from_millis(1),
            cache_dir: None,
            observer: Arc::new(NoObserver),
            log: Arc::new(TracingLog),
            metrics: Arc::new(MemoryMetrics::default()),
            cache: Arc::new(MemoryCache::default()),
            sources: Sources { clock: Arc::new(SystemClock::default()), seed: None },
            rate_limiter: None,
            queues: Arc::new(MemoryQueues::default()),
            secrets: Arc::new(NoSecrets),
            http: Arc::new(NoHttpClient),
            kv: None,
            kv_shared: HashMap::new(),
        }
    }
}

impl PluginEngineBuilder {
    /// How many instances may live at once, busy and idle ones of all plugins together. When they are all there, an idle
    /// one makes room for a busy one; when all are busy, one more fails with the class `saturated`. Each reserves about 8 GiB
    /// of address space, of which only what is used costs memory, and as much again once a plugin has
    /// [`Limits::fuel`](crate::Limits::fuel). The default is 1000.
    #[must_use]
    pub fn max_instances(mut self, instances: u32) -> Self {
        self.max_instances = instances.max(1);
        self
    }

    /// Bytes of stack that one call of a guest may take, besides those that it keeps in its memory. A call that needs more
    /// fails with the class `trap`. The host reserves as much, and 1.5 MiB of its own, for each of the instances. The default
    /// is 512 KiB.
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes;
        self
    }

    /// How often a guest that computes is looked at: the precision of deadlines, and how long it may hold up the thread it was
    /// called on. While no guest computes for longer than this, they are looked at a quarter as often, and while none runs
    /// it ticks 20 times a second, or as often as this says where that is less. At least 100 µs; the default is 1 ms.
    #[must_use]
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick.max(SHORTEST_TICK);
        self
    }

    /// A directory in which compiled code is kept between runs. Whoever can write to it can run code in this
    /// process: it is created for this user alone, and refused when others may write to it.
    #[must_use]
    pub fn cache_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(directory.into());
        self
    }

    /// Who is told of every call of a plugin. The default is nobody.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Where messages of guests go. The default is [`TracingLog`].
    #[must_use]
    pub fn log_sink(mut self, sink: impl LogSink + 'static) -> Self {
        self.log = Arc::new(sink);
        self
    }

    /// Where measurements of guests go. The default is a [`MemoryMetrics`].
    #[must_use]
    pub fn metric_sink(mut self, sink: impl MetricSink + 'static) -> Self {
        self.metrics = Arc::new(sink);
        self
    }

    /// Where plugins keep what can be had again. The default is a [`MemoryCache`].
    #[must_use]
    pub fn cache(mut self, cache: impl Cache + 'static) -> Self {
        self.cache = Arc::new(cache);
        self
    }

    /// Where guests, and what the host keeps for them, take the time from. The default is [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.sources.clock = Arc::new(clock);
        self
    }

    /// Makes the random numbers of guests the same in every run: each instance of a plugin gets its own, by the order in
    /// which they are made. For tests: whoever knows the seed knows the numbers. The default is secure numbers.
    #[must_use]
    pub fn random_seed(mut self, seed: u64) -> Self {
        self.sources.seed = Some(seed);
        self
    }

    /// Where rate limits are counted. The default is a [`MemoryRateLimiter`].
    #[must_use]
    pub fn rate_limiter(mut self, limiter: impl RateLimiter + 'static) -> Self {
        self.rate_limiter = Some(Arc::new(limiter));
        self
    }

    /// Where the items of queues are. The default is a [`MemoryQueues`].
    #[must_use]
    pub fn queue_store(mut self, store: impl QueueStore + 'static) -> Self {
        self.queues = Arc::new(store);
        self
    }

    /// Where the values of `secret://name` in configurations come from, for plugins that are given no source of their
    /// own. The default knows no secret.
    #[must_use]
    pub fn secret_source(mut self, source: impl SecretSource + 'static) -> Self {
        self.secrets = Arc::new(source);
        self
    }

    /// Who sends the calls that guests make over HTTP. The default is [`NoHttpClient`]: all of them fail.
    #[must_use]
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.http = Arc::new(client);
        self
    }

    /// Where plugins keep key-value pairs. The default is a [`MemoryKv`].
    #[must_use]
    pub fn kv_store(mut self, store: impl KvStore + 'static) -> Self {
        self.kv = Some(Arc::new(store));
        self
    }

    /// What a namespace of key-value pairs that plugins share may hold. One that is not named here has
    /// [`KvQuota::default`].
    #[must_use]
    pub fn kv_shared(mut self, name: impl Into<String>, quota: KvQuota) -> Self {
        self.kv_shared.insert(name.into(), quota);
        self
    }

    /// Makes the engine. It fails when the process cannot have as much address space, the stack size is 0, or the cache
    /// directory cannot be used.
    pub fn build(self) -> Result<PluginEngine> {
        let runtimes = Runtimes::new(RuntimeConfig {
            instances: self.max_instances,
            stack_size: self.stack_size,
            tick: self.tick,
            cache_dir: self.cache_dir,
        })?;
        let clock = Arc::clone(&self.sources.clock);
        let kv = self.kv.unwrap_or_else(|| Arc::new(MemoryKv::with_clock(MemoryKv::BYTES, move || clock.monotonic())));
        Ok(PluginEngine(Arc::new(Inner {
            runtimes,
            observer: self.observer,
            log: self.log,
            metrics: self.metrics,
            rate_limiter: self
                .rate_limiter
                .unwrap_or_else(|| Arc::new(MemoryRateLimiter::with_clock(Arc::clone(&self.sources.clock)))),
            cache: self.cache,
            sources: self.sources,
            queues: self.queues,
            secrets: self.secrets,
            http: self.http,
            kv: KvSpaces { backend: kv, shared: self.kv_shared },
            places: Arc::new(Places::new(self.max_instances)),
            compute: Arc::new(ComputeThreads::new()),
            pools: Mutex::default(),
        })))
    }
}
