//! What one plugin may use.

use std::time::Duration;

use wasmtime::ResourceLimiter;

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
    /// Elements of all tables of an instance, summed.
    pub table_elements: u64,
    /// CPU time of one call. Time that the guest waits in a hostcall is not counted. Precise to about two
    /// milliseconds.
    pub cpu: Duration,
    /// Wall-clock time of one call, waiting included.
    pub wall: Duration,
    /// Both of the above for making an instance: instantiation and the configure phase.
    pub startup: Duration,
    /// Hostcalls in one call of the guest.
    pub hostcalls: u32,
    /// Bytes the guest may hand to the host in one hostcall.
    pub hostcall_bytes: usize,
    /// Bytes of header names and values that one call of the guest may add to a message.
    pub header_bytes: usize,
    /// Bytes of the body of a local response.
    pub response_body: usize,
    /// Bytes of log messages of one call. What comes after is dropped and counted.
    pub log_bytes: usize,
    /// Instances at work at one moment.
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
            wall: Duration::from_secs(1),
            startup: Duration::from_secs(5),
            hostcalls: 10_000,
            hostcall_bytes: 4 << 20,
            header_bytes: 64 << 10,
            response_body: 1 << 20,
            log_bytes: 16 << 10,
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
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            memory_limit: limits.memory,
            elements: 0,
            elements_limit: limits.table_elements,
            denied: None,
        }
    }

    /// Bytes of linear memory the instance has now.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
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
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.elements.saturating_add((desired as u64).saturating_sub(current as u64));
        if wanted > self.elements_limit {
            self.denied =
                Some(format!("wants {wanted} table elements, `limits.table_elements` is {}", self.elements_limit));
            return Ok(false);
        }
        self.elements = wanted;
        Ok(true)
    }
}
