use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use parking_lot::Mutex;
use wasmtime::component::ResourceTable;

use super::{
    Sources,
    core_state::CoreState,
    places::{Place, Places},
    wasi::Wasi,
    wasi_http::WasiHttp,
};
use crate::{
    FailureClass, Grants, Limits, LogLevel, LogRecord, LogSink, MetricValue, Phase,
    capability::{
        LogBudget, LogRate, MetricError, PluginCache, PluginConfig, PluginHttp, PluginKv, PluginMetrics, PluginQueues,
        PluginRateLimits, TraceContext,
    },
    compute::{ComputeThreads, ComputingPhases},
    epoch::EpochTicker,
    limits::MemoryLimiter,
    message::ExchangeState,
    meter::Meter,
    pool::Gate,
};

/// Handles to host resources that an instance may hold at once.
pub(super) const HOST_RESOURCES: usize = 1024;

/// What all instances of a plugin share.
#[derive(Debug)]
pub(crate) struct PluginContext {
    pub(crate) name: Arc<str>,
    pub(crate) config: PluginConfig,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) version: Box<str>,
    pub(crate) log: Arc<dyn LogSink>,
    pub(crate) log_rate: LogRate,
    pub(crate) metrics: PluginMetrics,
    pub(crate) cache: PluginCache,
    pub(crate) sources: Sources,
    pub(crate) places: Arc<Places>,
    /// Counts its instances. Commands do without.
    pub(crate) gate: Arc<Gate>,
    pub(crate) compute: Arc<ComputeThreads>,
    pub(crate) computing: ComputingPhases,
    /// It interrupts running guests.
    pub(crate) ticker: Arc<EpochTicker>,
    /// Instances that were made so far.
    pub(crate) instances: AtomicU64,
    pub(crate) rate_limits: PluginRateLimits,
    pub(crate) queues: PluginQueues,
    pub(crate) http: Arc<PluginHttp>,
    pub(crate) kv: PluginKv,
}

impl PluginContext {
    /// Takes a measurement of the guest, without the secrets it may have put into it.
    pub(crate) fn measure(
        &self,
        name: &str,
        mut labels: Vec<(String, String)>,
        value: MetricValue,
    ) -> Result<(), MetricError> {
        if self.config.has_secrets() {
            let clean = |text: &mut String| *text = self.config.redact_secrets(text).into_owned();
            labels.iter_mut().for_each(|(name, value)| [name, value].into_iter().for_each(clean));
        }
        self.metrics.record(&self.name, &self.config.redact_secrets(name), labels, value)
    }
}

/// The host's side of one instance.
pub(crate) struct HostState {
    pub(crate) exchange: Option<Box<ExchangeState>>,
    pub(crate) plugin: Arc<PluginContext>,
    pub(crate) link: Arc<Link>,
    pub(crate) limiter: MemoryLimiter,
    pub(crate) table: ResourceTable,
    pub(crate) response_bytes_left: usize,
    /// Local responses that the guest has made and not given back.
    pub(crate) responses_held: usize,
    pub(super) wasi_http: WasiHttp,
    /// Calls over HTTP outside of an exchange.
    http_calls: Arc<AtomicU32>,
    hostcalls_left: u32,
    log: LogBudget,
    /// A hostcall has the guest allocate.
    is_allocating: bool,
    last_words: Bytes,
    pub(super) wasi: Wasi,
    pub(crate) core: CoreState,
    _place: Place,
}

/// What an instance and the host's side of it share, wherever either is.
pub(crate) struct Link {
    pub(crate) meter: Meter,
    pub(super) compute: Arc<ComputeThreads>,
    /// The exchange's state, when a call was dropped that had it.
    pub(super) left_behind: Mutex<Option<Box<ExchangeState>>>,
}

impl Link {
    pub(super) fn new(plugin: &PluginContext) -> Arc<Self> {
        let compute = Arc::clone(&plugin.compute);
        Arc::new(Self { meter: Meter::new(Arc::clone(&plugin.ticker)), compute, left_behind: Mutex::default() })
    }
}

impl Drop for HostState {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            *self.link.left_behind.lock() = Some(exchange);
        }
    }
}

/// What is logged for a guest.
pub(crate) struct Message<'a> {
    pub(crate) level: LogLevel,
    pub(crate) context: &'a str,
    pub(crate) message: &'a str,
    pub(crate) fields: &'a [(String, String)],
}

/// The host ended a call from within a hostcall.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostStop {
    #[error("made more than {0} hostcalls in one call, `limits.hostcalls`")]
    Hostcalls(u32),
    #[error("called the exchange outside of one")]
    NoExchange,
    #[error("its allocator called a function that allocates")]
    Nested,
    #[error(
        "exports a phase of another type than its ABI has it: {0} (was it built against another version of the WIT?)"
    )]
    Misfit(String),
    #[error("{0}")]
    Refused(String),
    /// The guest ended the call itself, with these words.
    #[error("{0}")]
    Aborted(String),
    /// The guest handed over what makes no sense, and cannot be told so.
    #[error("{0}")]
    Invalid(String),
}

impl HostStop {
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            Self::Hostcalls(_) | Self::NoExchange | Self::Nested => FailureClass::Hostcall,
            Self::Misfit(_) | Self::Invalid(_) => FailureClass::InvalidOutput,
            Self::Refused(_) => FailureClass::GuestError,
            Self::Aborted(_) => FailureClass::Trap,
        }
    }
}

impl HostState {
    pub(super) fn new(plugin: Arc<PluginContext>, link: Arc<Link>, place: Place) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HOST_RESOURCES);
        let mut state = Self {
            exchange: None,
            link,
            limiter: MemoryLimiter::new(&plugin.limits),
            table,
            response_bytes_left: 0,
            responses_held: 0,
            wasi_http: WasiHttp::new(&plugin.http, plugin.limits.header_bytes),
            http_calls: Arc::default(),
            hostcalls_left: 0,
            log: LogBudget::new(0),
            is_allocating: false,
            last_words: Bytes::new(),
            wasi: Wasi::new(&plugin),
            core: CoreState::default(),
            _place: place,
            plugin,
        };
        state.begin_call();
        state
    }

    /// A hostcall calls the guest's allocator: once at a time, as each such call takes another stack.
    pub(crate) fn begin_allocation(&mut self) -> Result<(), HostStop> {
        if std::mem::replace(&mut self.is_allocating, true) { Err(HostStop::Nested) } else { Ok(()) }
    }

    pub(crate) fn end_allocation(&mut self) {
        self.is_allocating = false;
    }

    pub(super) fn begin_call(&mut self) {
        let limits = &self.plugin.limits;
        self.hostcalls_left = limits.hostcalls;
        self.is_allocating = false;
        self.http_calls.store(0, Relaxed);
        self.response_bytes_left = limits.response_body;
        self.log = LogBudget::new(limits.log_bytes);
        self.limiter.take_denied();
    }

    /// Logs what the guest wrote to its standard streams, and that it was cut short when it was.
    pub(super) fn end_call(&mut self, phase: Phase) {
        self.log_denied_calls();
        let last_words = std::mem::take(&mut self.last_words);
        let written = [
            (self.wasi.stdout.take(), "stdout", LogLevel::Info),
            (last_words, "stderr", LogLevel::Warn),
            (self.wasi.stderr.take(), "stderr", LogLevel::Warn),
        ];
        for (bytes, context, level) in written.into_iter().filter(|(bytes, ..)| !bytes.is_empty()) {
            let text = String::from_utf8_lossy(&bytes);
            for line in self.plugin.config.redact(&text).lines() {
                let message = Message { level, context, message: line, fields: &[] };
                if admits(&self.plugin, &mut self.log, &message) {
                    emit(&self.plugin, self.exchange.as_deref(), message);
                }
            }
        }
        let dropped = self.log.dropped();
        if dropped > 0 {
            tracing::warn!(
                plugin = &*self.plugin.name,
                phase = phase.as_str(),
                dropped,
                "log messages over `limits.log_bytes` were dropped"
            );
        }
    }

    /// Writes to stderr for a guest that has none.
    pub(crate) fn write_stderr(&mut self, line: &str) {
        self.wasi.stderr.write(line.as_bytes());
        self.wasi.stderr.write(b"\n");
    }

    /// What the guest wrote to stderr in this call. It is still logged when the call ends.
    pub(super) fn take_stderr(&mut self) -> String {
        self.last_words = self.wasi.stderr.take();
        String::from_utf8_lossy(&self.last_words).into_owned()
    }

    /// Counts one hostcall.
    pub(crate) fn count_hostcall(&mut self) -> Result<(), HostStop> {
        self.hostcalls_left =
            self.hostcalls_left.checked_sub(1).ok_or(HostStop::Hostcalls(self.plugin.limits.hostcalls))?;
        Ok(())
    }

    /// Counts one hostcall, and gives the exchange it is about.
    pub(crate) fn exchange(&mut self) -> Result<&mut ExchangeState, HostStop> {
        self.count_hostcall()?;
        self.exchange.as_deref_mut().ok_or(HostStop::NoExchange)
    }

    /// How many calls over HTTP the plugin has made, to be counted on.
    pub(crate) fn http_calls(&mut self) -> &Arc<AtomicU32> {
        match &mut self.exchange {
            Some(exchange) => exchange.http_calls(&self.plugin.name),
            None => &self.http_calls,
        }
    }

    /// The trace that the exchange is part of.
    pub(crate) fn trace(&self) -> TraceContext {
        self.exchange.as_ref().map(|exchange| TraceContext::of(&exchange.facts)).unwrap_or_default()
    }

    /// Tells the operator that the plugin asked for what it is not granted, and which key of the config grants it.
    pub(crate) fn denied(&mut self, capability: &str, key: &str, what: &str) {
        self.log(LogLevel::Warn, "host", &format!("{capability}: denied {what}: `{key}` does not grant it"));
    }

    /// Logs a message of the guest, within its budget and without its secrets.
    pub(crate) fn log(&mut self, level: LogLevel, context: &str, message: &str) {
        self.log_with(Message { level, context, message, fields: &[] });
    }

    /// The same, with fields.
    pub(crate) fn log_with(&mut self, message: Message<'_>) {
        if !admits(&self.plugin, &mut self.log, &message) {
            return;
        }
        let Message { level, context, message, fields } = message;
        let config = &self.plugin.config;
        let (context, message) = (config.redact_secrets(context), config.redact_secrets(message));
        let clean = |text: &String| config.redact_secrets(text).into_owned();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (clean(name), clean(value))).collect();
        let message = Message { level, context: &context, message: &message, fields: &fields };
        emit(&self.plugin, self.exchange.as_deref(), message);
    }
}

/// Whether a message is within the bytes of the call and the rate of the plugin.
fn admits(plugin: &PluginContext, budget: &mut LogBudget, message: &Message<'_>) -> bool {
    let Message { context, message, fields, .. } = message;
    let texts = fields.iter().flat_map(|(name, value)| [name, value]);
    budget.admits(texts.fold(context.len() + message.len(), |bytes, text| bytes + text.len()))
        && plugin.log_rate.admits()
}

fn emit(plugin: &PluginContext, exchange: Option<&ExchangeState>, message: Message<'_>) {
    let Message { level, context, message, fields } = message;
    let exchange = exchange.map_or("", |exchange| &exchange.facts.id);
    let version = &plugin.version;
    plugin.log.log(&LogRecord { plugin: &plugin.name, version, exchange, level, context, message, fields });
}
