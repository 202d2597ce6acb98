use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use bytes::{Buf, Bytes, BytesMut};
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state::InMemoryState, state::NotKeyed};
use parking_lot::Mutex;

use super::RateClock;

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
    /// Which version of it: what its [builder](crate::PluginBuilder::version) was told.
    pub version: &'a str,
    /// The id of the exchange it was called for; empty outside of one.
    pub exchange: &'a str,
    /// How severe.
    pub level: LogLevel,
    /// A context of the guest's choice; `stdout` and `stderr` for what it wrote there.
    pub context: &'a str,
    /// The text. Control characters are the guest's: a sink that prints must escape them.
    pub message: &'a str,
    /// Fields of the guest's choice, each name once.
    pub fields: &'a [(String, String)],
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
        let LogRecord { plugin, version, exchange, level, context, message, fields } = *record;
        // The fields of an event are known when it is compiled: those of a guest are one of them.
        let fields = (!fields.is_empty()).then(|| as_json(fields));
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(
                    target: "wasm_host::guest",
                    plugin, version, exchange, context, fields,
                    "{}", message.escape_debug()
                )
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

fn as_json(fields: &[(String, String)]) -> String {
    let fields = fields.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
    serde_json::Value::Object(fields.collect()).to_string()
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

/// Messages that all instances of a plugin together may log in a second.
#[derive(Debug)]
pub(crate) struct LogRate {
    limiter: RateLimiter<NotKeyed, InMemoryState, RateClock, NoOpMiddleware<Nanos>>,
    dropped: AtomicU64,
}

impl LogRate {
    pub(crate) fn new(messages_a_second: NonZeroU32, clock: RateClock) -> Self {
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(messages_a_second), clock);
        Self { limiter, dropped: AtomicU64::new(0) }
    }

    /// Whether one more message is to be logged. What is not is counted.
    pub(crate) fn admits(&self) -> bool {
        let admitted = self.limiter.check().is_ok();
        if !admitted {
            self.dropped.fetch_add(1, Relaxed);
        }
        admitted
    }

    /// How many messages were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// The fields that a message keeps: of those with one name the last, and not too many.
pub(crate) fn kept_fields(fields: Vec<(String, String)>) -> Vec<(String, String)> {
    const FIELDS: usize = 16;
    let mut kept: Vec<(String, String)> = Vec::new();
    for (name, value) in fields {
        let is_full = kept.len() == FIELDS;
        match kept.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None if is_full => {}
            None => kept.push((name, value)),
        }
    }
    kept
}

/// What a guest wrote to stdout or stderr in one call, up to a bound. The end is kept: a panic's text is there.
#[derive(Clone, Debug)]
pub(crate) struct GuestOutput {
    shared: Arc<Shared>,
    bound: usize,
}

#[derive(Debug, Default)]
struct Shared {
    /// Almost always it is not, and nobody need take the lock to know.
    is_written_to: AtomicBool,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    bytes: BytesMut,
    /// The beginning is gone.
    is_cut: bool,
}

impl GuestOutput {
    pub(crate) fn new(bound: usize) -> Self {
        Self { shared: Arc::default(), bound }
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut written = self.shared.written.lock();
        self.shared.is_written_to.store(true, Release);
        let over = (written.bytes.len() + bytes.len()).saturating_sub(self.bound);
        written.is_cut |= over > 0;
        let over = over.min(written.bytes.len());
        written.bytes.advance(over);
        let bytes = bytes.get(bytes.len().saturating_sub(self.bound)..).unwrap_or_default();
        written.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn take(&self) -> Bytes {
        if !self.shared.is_written_to.load(Acquire) {
            return Bytes::new();
        }
        let Written { bytes, is_cut } = &mut *self.shared.written.lock();
        self.shared.is_written_to.store(false, Relaxed);
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
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::ManualClock;

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
    fn a_rate_counts_what_it_drops_and_recovers() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let rate = LogRate::new(NonZeroU32::new(2).unwrap(), RateClock(Arc::new(clock.clone())));
        assert_eq!([(); 4].map(|()| rate.admits()), [true, true, false, false]);
        assert_eq!(rate.dropped(), 2);
        clock.advance(Duration::from_millis(500));
        assert_eq!([(); 2].map(|()| rate.admits()), [true, false]);
    }

    #[test]
    fn of_fields_with_one_name_the_last_counts() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let kept = kept_fields(vec![field("a", "1"), field("b", "2"), field("a", "3")]);
        assert_eq!(kept, [field("a", "3"), field("b", "2")]);
        assert_eq!(kept_fields((0..100).map(|n| field(&n.to_string(), "")).collect()).len(), 16);
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
