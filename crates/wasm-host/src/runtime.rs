//! What compiles and runs code: one that counts nothing, and one that counts each step, made when a plugin first asks.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::Mutex;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::{Error, Result, compile::Compiler, compile_cache::CompileCache, epoch::EpochTicker, error::one_line};

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
/// Bytes of a memory that are written anew between two instances, and stay resident: what a small guest touches.
const KEEP_RESIDENT: usize = 256 << 10;
const TABLE_KEEP_RESIDENT: usize = 8 << 10;
const DECOMMIT_BATCH: usize = 16;
/// What a stack has besides the guest's part, for the host's functions.
const HOST_STACK: usize = 1536 << 10;

/// What compilers and instances are made with.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeConfig {
    pub(crate) instances: u32,
    /// Bytes of the stack that a guest may use.
    pub(crate) stack_size: usize,
    pub(crate) cache_dir: Option<PathBuf>,
    /// How often a running guest is interrupted.
    pub(crate) tick: Duration,
}

/// What has compiled code run: one for plugins whose steps nobody counts, one for the others.
pub(crate) struct Runtimes {
    config: RuntimeConfig,
    ticker: Arc<EpochTicker>,
    plain: Compiler,
    metered: OnceLock<Compiler>,
    making: Mutex<()>,
}

impl Runtimes {
    pub(crate) fn new(config: RuntimeConfig) -> Result<Self> {
        let ticker = EpochTicker::start(config.tick).map_err(|error| Error::Engine { reason: error.to_string() })?;
        let plain = compiler(&config, &ticker, false)?;
        Ok(Self { config, ticker, plain, metered: OnceLock::new(), making: Mutex::default() })
    }

    /// The compiler for code whose steps are counted, or not.
    pub(crate) fn compiler(&self, counts_fuel: bool) -> Result<&Compiler> {
        if !counts_fuel {
            return Ok(&self.plain);
        }
        let _making = self.making.lock();
        if self.metered.get().is_none() {
            let _ = self.metered.set(compiler(&self.config, &self.ticker, true)?);
        }
        Ok(self.metered.get().unwrap_or(&self.plain))
    }

    /// The clock that interrupts what they have compiled.
    pub(crate) fn ticker(&self) -> &Arc<EpochTicker> {
        &self.ticker
    }

    /// How often code was compiled.
    pub(crate) fn compilations(&self) -> u64 {
        self.plain.compilations() + self.metered.get().map_or(0, Compiler::compilations)
    }
}

fn compiler(given: &RuntimeConfig, ticker: &EpochTicker, counts_fuel: bool) -> Result<Compiler> {
    let engine_error = |error: wasmtime::Error| Error::Engine { reason: one_line(&error) };
    let mut config = config(given);
    config.consume_fuel(counts_fuel);
    let engine = Engine::new(&config).map_err(engine_error)?;
    let cache = given.cache_dir.clone().map(|directory| CompileCache::open(directory, &engine)).transpose()?;
    ticker.add(&engine);
    Ok(Compiler::new(engine, counts_fuel, cache))
}

fn config(given: &RuntimeConfig) -> Config {
    let RuntimeConfig { instances, stack_size, .. } = *given;
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
        // It passes over pages that are swapped out or being moved: the next instance would find them.
        .pagemap_scan(Enabled::No)
        .decommit_batch_size(DECOMMIT_BATCH);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .max_wasm_stack(stack_size)
        .async_stack_size(stack_size.saturating_add(HOST_STACK))
        .wasm_multi_memory(true)
        // wasm-bindgen leaves a table of references to what the host has, and the host never puts anything there. Objects
        // of the guest itself are another matter: nothing here frees them.
        .wasm_gc(false)
        .wasm_exceptions(false)
        // Where a trap was is told by the names of functions. Compiled code is smaller without lines and frames, and
        // a process that loads many plugins registers none. Windows wants its frames.
        .generate_address_map(false)
        .native_unwind_info(cfg!(windows))
        // A guest that needs no async of the component model does not pay for it on every call.
        .concurrency_support(false);
    config
}
