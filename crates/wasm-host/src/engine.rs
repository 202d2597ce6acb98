use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::{
    Cache, Clock, Error, HttpClient, Inspection, KvQuota, KvStore, LogSink, MemoryCache, MemoryKv, MemoryMetrics,
    MemoryQueues, MemoryRateLimiter, MetricSink, NoHttpClient, Observer, QueueStore, RateLimiter, Result, SecretSource,
    SystemClock, TracingLog,
    capability::{KvSpaces, NoSecrets},
    compile::{Compiler, Source},
    compile_cache::CompileCache,
    epoch::EpochTicker,
    error::one_line,
    metrics::NoObserver,
    pool::Pool,
    store::Sources,
};

/// Core instances, memories and tables that one component may have. A component of today's toolchains has three
/// core instances, one memory and two tables.
const CORE_INSTANCES_PER_COMPONENT: u32 = 32;
const MEMORIES_PER_COMPONENT: u32 = 8;
const TABLES_PER_COMPONENT: u32 = 16;
/// How many of each the pool has for every instance it may hold.
const TYPICAL_CORE_INSTANCES: u32 = 4;
const TYPICAL_MEMORIES: u32 = 2;
const TYPICAL_TABLES: u32 = 4;
/// A call, and within it one of a hostcall that has the guest make room.
const STACKS_PER_INSTANCE: u32 = 2;
/// Elements one table may have at most, whatever a plugin's limits say.
const TABLE_ELEMENTS: usize = 100_000;
/// Bytes of a memory that stay resident between two instances: at least what a small guest touches.
const KEEP_RESIDENT: usize = 128 << 10;
const TABLE_KEEP_RESIDENT: usize = 8 << 10;
const DECOMMIT_BATCH: usize = 16;

/// What runs guests: the compiler, the memory they live in, and the clock that stops them.
///
/// One for a process is enough. Cloning is cheap and gives the same engine. Its clock's thread stops when the last
/// clone and the last plugin are dropped.
#[derive(Clone)]
pub struct PluginEngine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) wasm: Engine,
    pub(crate) compiler: Compiler,
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
    pools: Mutex<Vec<Weak<Pool>>>,
    _ticker: EpochTicker,
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
        crate::inspect::inspect(&self.0.compiler, &Source::new(bytes.to_vec()))
    }

    /// How often code was compiled, of all plugins since the engine was made. Code that another plugin has already, or
    /// that comes from the cache directory, is not compiled; a new configuration compiles nothing.
    pub fn compilations(&self) -> u64 {
        self.0.compiler.compilations()
    }
}

impl fmt::Debug for PluginEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginEngine").finish_non_exhaustive()
    }
}

/// Builds a [`PluginEngine`].
#[derive(Debug)]
pub struct PluginEngineBuilder {
    max_instances: u32,
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
    /// one makes room for a busy one; when all are busy, one more fails with the class `saturated`. Each reserves about 8 GiB of address space, of which only what is used costs memory.
    /// The default is 1000.
    #[must_use]
    pub fn max_instances(mut self, instances: u32) -> Self {
        self.max_instances = instances.max(1);
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

    /// Makes the engine. It fails when the process cannot have as much address space, or the cache directory cannot
    /// be used.
    pub fn build(self) -> Result<PluginEngine> {
        let engine_error = |error: wasmtime::Error| Error::Engine { reason: one_line(&error) };
        let wasm = Engine::new(&config(self.max_instances)).map_err(engine_error)?;
        let ticker = EpochTicker::start(&wasm).map_err(|error| Error::Engine { reason: error.to_string() })?;
        let cache = self.cache_dir.map(|directory| CompileCache::open(directory, &wasm)).transpose()?;
        let clock = Arc::clone(&self.sources.clock);
        let kv = self.kv.unwrap_or_else(|| Arc::new(MemoryKv::with_clock(MemoryKv::BYTES, move || clock.monotonic())));
        Ok(PluginEngine(Arc::new(Inner {
            compiler: Compiler::new(wasm.clone(), cache),
            wasm,
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
            pools: Mutex::default(),
            _ticker: ticker,
        })))
    }
}

fn config(instances: u32) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(TYPICAL_CORE_INSTANCES))
        .total_memories(instances.saturating_mul(TYPICAL_MEMORIES))
        .total_tables(instances.saturating_mul(TYPICAL_TABLES))
        .total_stacks(instances.saturating_mul(STACKS_PER_INSTANCE))
        .total_gc_heaps(instances)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .decommit_batch_size(DECOMMIT_BATCH);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .wasm_multi_memory(true)
        // wasm-bindgen leaves a table of references to what the host has, and the host never puts anything there. Objects
        // of the guest itself are another matter: nothing here frees them.
        .wasm_gc(false)
        .wasm_exceptions(false)
        // A guest that needs no async of the component model does not pay for it on every call.
        .concurrency_support(false);
    config
}
