use std::{fmt, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;

/// How severe a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For following single steps.
    Trace,
    /// For finding faults.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warn,
    /// Something failed.
    Error,
    /// Nothing works any more.
    Critical,
}

/// One message of a guest.
#[derive(Debug)]
#[non_exhaustive]
pub struct LogRecord<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// The id of the exchange it was called for; empty outside of one.
    pub exchange: &'a str,
    /// How severe.
    pub level: LogLevel,
    /// A context of the guest's choice; `stdout` and `stderr` for what it wrote there.
    pub context: &'a str,
    /// The text. Control characters are the guest's: a sink that prints must escape them.
    pub message: &'a str,
}

/// Where messages of guests go. Called on the request's path: it must not block.
pub trait LogSink: Send + Sync + fmt::Debug {
    /// Takes one message.
    fn log(&self, record: &LogRecord<'_>);
}

/// The default sink: `tracing` events with the target `wasm_host::guest`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingLog;

impl LogSink for TracingLog {
    fn log(&self, record: &LogRecord<'_>) {
        let LogRecord { plugin, exchange, level, context, message } = *record;
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(target: "wasm_host::guest", plugin, exchange, context, "{}", message.escape_debug())
            };
        }
        match level {
            LogLevel::Trace => emit!(trace),
            LogLevel::Debug => emit!(debug),
            LogLevel::Info => emit!(info),
            LogLevel::Warn => emit!(warn),
            LogLevel::Error | LogLevel::Critical => emit!(error),
        }
    }
}

/// What a message costs besides its text: a flood of empty ones is a flood.
const RECORD_BYTES: usize = 32;

/// Bytes of messages that one call may still log.
#[derive(Debug)]
pub(crate) struct LogBudget {
    left: usize,
    dropped: u64,
}

impl LogBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: bytes, dropped: 0 }
    }

    /// Whether a message of this size is to be logged. What is not is counted.
    pub(crate) fn admits(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes.saturating_add(RECORD_BYTES)) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.left = 0;
                self.dropped += 1;
                false
            }
        }
    }

    /// How many messages were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// What a guest wrote to stdout or stderr in one call, up to a bound. The end is kept: a panic's text is there.
#[derive(Clone, Debug)]
pub(crate) struct GuestOutput {
    written: Arc<Mutex<Written>>,
    bound: usize,
}

#[derive(Debug, Default)]
struct Written {
    bytes: BytesMut,
    /// The beginning is gone.
    is_cut: bool,
}

impl GuestOutput {
    pub(crate) fn new(bound: usize) -> Self {
        Self { written: Arc::default(), bound }
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut written = self.written.lock();
        let over = (written.bytes.len() + bytes.len()).saturating_sub(self.bound);
        written.is_cut |= over > 0;
        let over = over.min(written.bytes.len());
        written.bytes.advance(over);
        let bytes = bytes.get(bytes.len().saturating_sub(self.bound)..).unwrap_or_default();
        written.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn take(&self) -> Bytes {
        let Written { bytes, is_cut } = &mut *self.written.lock();
        if bytes.is_empty() {
            return Bytes::new();
        }
        let mut bytes = bytes.split().freeze();
        // The rest of a line may be the rest of a secret, which nobody would know.
        if std::mem::take(is_cut)
            && let Some(end) = memchr::memchr(b'\n', &bytes)
        {
            bytes.advance(end + 1);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_keeps_its_end_within_the_bound() {
        let output = GuestOutput::new(4);
        output.write(b"abc");
        output.write(b"de");
        assert_eq!(output.take(), "bcde");
        output.write(b"0123456789");
        assert_eq!(output.take(), "6789");
        assert!(output.take().is_empty());
    }

    #[test]
    fn a_line_that_was_cut_is_dropped() {
        let output = GuestOutput::new(12);
        output.write(b"a secret\nthe end");
        assert_eq!(output.take(), "the end");
        output.write(b"whole\nlines");
        assert_eq!(output.take(), "whole\nlines");
    }

    #[test]
    fn budget_counts_what_it_drops() {
        let mut budget = LogBudget::new(5 + RECORD_BYTES);
        assert!(budget.admits(5));
        assert!(!budget.admits(0));
        assert!(!budget.admits(100));
        assert_eq!(budget.dropped(), 2);
    }
}
