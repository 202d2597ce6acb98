//! What one plugin may use.

use std::{num::NonZeroU32, time::Duration};

use wasmtime::ResourceLimiter;

use crate::{HttpLimits, KvQuota};

const LOG_RATE: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// Bounds on one plugin's instances. Every one of them is enforced.
///
/// ```
/// # use wasm_host::Limits;
/// let limits = Limits { memory: 16 << 20, ..Limits::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory an instance may have, all its memories summed. A growth past it is refused to the
    /// guest; when the guest fails on that, the class is `memory`.
    pub memory: u64,
    /// Elements of all tables of an instance, summed. One table has at most 100,000, whatever is said here.
    pub table_elements: u64,
    /// CPU time of one call. Time that the guest waits, in a hostcall or for a processor, is not counted. Precise to two
    /// milliseconds.
    pub cpu: Duration,
    /// Steps of one call, about one a WebAssembly instruction; none: they are not counted. Used up, the class is
    /// `cpu-deadline`. Unlike time it is the same in every run. Code that counts runs up to 2.5 times slower, and is compiled
    /// apart from code that does not. Making and configuring an instance is bounded by `startup` alone.
    pub fuel: Option<u64>,
    /// Wall-clock time of one call, waiting included. On a machine whose processors are all busy a guest that computes
    /// meets this one, as it gives way to others.
    pub wall: Duration,
    /// Both of the above for making an instance, instantiation and configure phase together. With fresh instances every
    /// exchange may take it, besides the call's own.
    pub startup: Duration,
    /// Hostcalls in one call of the guest. Those of WASI itself, such as reading a clock, are bounded by the deadlines.
    pub hostcalls: u32,
    /// Bytes the guest may hand to the host in one hostcall. More fails with the class `hostcall`. The values of one answer
    /// of a key-value store have no more either; the guest is told.
    pub hostcall_bytes: usize,
    /// Bytes that one call of the guest may bring into a message: header names and values, method, target, authority.
    pub header_bytes: usize,
    /// Bytes of the bodies of local responses that one call makes, summed.
    pub response_body: usize,
    /// Bytes of one body that are held for the plugin: a `peek` or a `buffer` may ask for no more, and no line and no event
    /// may be longer. Of each body, up to this much and one more piece.
    pub body_bytes: usize,
    /// Time that a body which is read ahead, by `peek` or `buffer`, may take to arrive. One that takes longer is its
    /// sender's fault, not the plugin's: see [`BodyLate`](crate::BodyLate).
    pub body_wait: Duration,
    /// Bytes of log messages of one call, 32 for each message besides its text. What comes after is dropped and counted.
    pub log_bytes: usize,
    /// Messages that all instances of the plugin together may log in a second, by whichever way: `wasi:logging`, standard
    /// streams, what the host says about denied hostcalls. What is over is dropped and counted.
    pub log_rate: NonZeroU32,
    /// Series of metrics that the plugin may make with its labels. What is over goes to one overflow series a metric.
    pub metric_series: usize,
    /// Keys of rate limits that the plugin may have in use, each under its rule. A key is in use until its limit is whole
    /// again. One of a sliding window counts once for each 100 that the window admits.
    pub rate_limit_keys: usize,
    /// Queues of its own that the plugin may make, under names of its choice.
    pub own_queues: usize,
    /// What its calls over HTTP may use.
    pub http: HttpLimits,
    /// What the plugin's own namespace of key-value pairs may hold.
    pub kv: KvQuota,
    /// Bytes of all entries that the plugin keeps in the cache.
    pub cache_bytes: u64,
    /// Bytes of one of them: of a value, or of a response with its headers.
    pub cache_value: usize,
    /// Exchanges that hold an instance at one moment, each from the plugin's first phase to its last: a plugin with a
    /// complete phase is held until the response body has ended.
    pub concurrency: u32,
    /// Exchanges that may wait for one of them. One more fails with the class `saturated`.
    pub queue: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            table_elements: 20_000,
            cpu: Duration::from_millis(50),
            fuel: None,
            wall: Duration::from_secs(1),
            startup: Duration::from_secs(5),
            hostcalls: 10_000,
            hostcall_bytes: 4 << 20,
            header_bytes: 64 << 10,
            response_body: 1 << 20,
            body_bytes: 1 << 20,
            body_wait: Duration::from_secs(30),
            log_bytes: 16 << 10,
            log_rate: LOG_RATE,
            metric_series: 200,
            rate_limit_keys: 10_000,
            own_queues: 16,
            http: HttpLimits::default(),
            kv: KvQuota::default(),
            cache_bytes: 16 << 20,
            cache_value: 1 << 20,
            concurrency: 256,
            queue: 256,
        }
    }
}

/// Sums what an instance holds and refuses growth past the limit.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    memory: u64,
    memory_limit: u64,
    elements: u64,
    elements_limit: u64,
    denied: Option<String>,
    /// What the latest growth added, should it fail after it was admitted.
    latest: (u64, u64),
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            memory_limit: limits.memory,
            elements: 0,
            elements_limit: limits.table_elements,
            denied: None,
            latest: (0, 0),
        }
    }

    /// Bytes of linear memory the instance has now.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// The latest growth did not happen after all.
    fn take_back(&mut self) {
        let (memory, elements) = std::mem::take(&mut self.latest);
        self.memory -= memory;
        self.elements -= elements;
    }

    /// Bytes of linear memory that the instance may still take.
    pub(crate) fn room(&self) -> u64 {
        self.memory_limit.saturating_sub(self.memory)
    }

    /// Whether a growth was refused since the last call of [`take_denied`](Self::take_denied).
    pub(crate) fn has_denied(&self) -> bool {
        self.denied.is_some()
    }

    /// The growth that was refused since the last call of this, if one was.
    pub(crate) fn take_denied(&mut self) -> Option<String> {
        self.denied.take()
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_add((desired as u64).saturating_sub(current as u64));
        if wanted > self.memory_limit {
            self.denied =
                Some(format!("wants {wanted} bytes of memory, `limits.memory` is {} bytes", self.memory_limit));
            return Ok(false);
        }
        self.latest = (wanted - self.memory, 0);
        self.memory = wanted;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.elements.saturating_add((desired as u64).saturating_sub(current as u64));
        if wanted > self.elements_limit {
            self.denied =
                Some(format!("wants {wanted} table elements, `limits.table_elements` is {}", self.elements_limit));
            return Ok(false);
        }
        self.latest = (0, wanted - self.elements);
        self.elements = wanted;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }
}
