use std::time::Duration;

use crate::Limits;

/// What one run of a command may use. Every bound is enforced.
///
/// ```
/// # use std::time::Duration;
/// # use wasm_host::CommandLimits;
/// let limits = CommandLimits { time: Duration::from_secs(1), ..CommandLimits::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLimits {
    /// Bytes of linear memory, all memories summed. A growth past it is refused to the guest; when the guest fails on that,
    /// the error names this limit. The default is 128 MiB.
    pub memory: u64,
    /// Wall-clock time of a run, computing and waiting, from making the instance to its end. The default is 5 seconds.
    pub time: Duration,
    /// Bytes of the file. The default is 10 MiB.
    pub module: usize,
    /// Bytes of the input. The default is 1 MiB.
    pub input: usize,
    /// Bytes of stdout. A guest that writes more is stopped. The default is 4 MiB.
    pub output: usize,
    /// Bytes of stderr that are kept, of a flood of it the last ones. The default is 16 KiB.
    pub stderr: usize,
}

impl Default for CommandLimits {
    fn default() -> Self {
        Self {
            memory: 128 << 20,
            time: Duration::from_secs(5),
            module: 10 << 20,
            input: 1 << 20,
            output: 4 << 20,
            stderr: 16 << 10,
        }
    }
}

impl CommandLimits {
    /// The same as bounds on an instance.
    pub(super) fn of_instance(&self) -> Limits {
        /// As many as one table may have.
        const TABLE_ELEMENTS: u64 = 100_000;
        Limits {
            memory: self.memory,
            table_elements: TABLE_ELEMENTS,
            cpu: self.time,
            wall: self.time,
            // A guest may read into, or write from, all the memory it has at once.
            hostcall_bytes: usize::try_from(self.memory).unwrap_or(usize::MAX),
            log_bytes: self.stderr,
            ..Limits::default()
        }
    }
}
