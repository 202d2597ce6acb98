use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::stdio::Output;
use crate::{
    FailureClass, Grants, Limits, LogLevel, LogRecord, LogSink, Phase,
    capability::{GuestOutput, LogBudget, PluginConfig, PluginKv, PluginMetrics},
    limits::MemoryLimiter,
    message::ExchangeState,
    meter::Meter,
};

/// Handles to host resources that an instance may hold at once.
pub(super) const HOST_RESOURCES: usize = 1024;
/// Random bytes a guest may ask for at once.
const RANDOM_BYTES: u64 = 64 << 10;

/// What all instances of a plugin share.
#[derive(Debug)]
pub(crate) struct PluginContext {
    pub(crate) name: Arc<str>,
    pub(crate) config: PluginConfig,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) log: Arc<dyn LogSink>,
    pub(crate) metrics: PluginMetrics,
    pub(crate) kv: PluginKv,
}

/// The host's side of one instance.
pub(crate) struct HostState {
    pub(crate) exchange: Option<Box<ExchangeState>>,
    pub(crate) plugin: Arc<PluginContext>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) limiter: MemoryLimiter,
    pub(crate) table: ResourceTable,
    pub(crate) response_bytes_left: usize,
    /// Local responses that the guest has made and not given back.
    pub(crate) responses_held: usize,
    hostcalls_left: u32,
    log: LogBudget,
    stdout: GuestOutput,
    stderr: GuestOutput,
    last_words: Bytes,
    wasi: WasiCtx,
}

/// The host ended a call from within a hostcall.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostStop {
    #[error("made more than {0} hostcalls in one call, `limits.hostcalls`")]
    Hostcalls(u32),
    #[error("called the exchange outside of one")]
    NoExchange,
    #[error(
        "exports a phase of another type than its ABI has it: {0} (was it built against another version of the WIT?)"
    )]
    Misfit(String),
}

impl HostStop {
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            Self::Hostcalls(_) | Self::NoExchange => FailureClass::Hostcall,
            Self::Misfit(_) => FailureClass::InvalidOutput,
        }
    }
}

impl HostState {
    pub(crate) fn new(plugin: Arc<PluginContext>, meter: Arc<Meter>) -> Self {
        let stdout = GuestOutput::new(plugin.limits.log_bytes);
        let stderr = GuestOutput::new(plugin.limits.log_bytes);
        let wasi = WasiCtx::builder()
            .stdout(Output(stdout.clone()))
            .stderr(Output(stderr.clone()))
            .allow_tcp(false)
            .allow_udp(false)
            .max_random_size(RANDOM_BYTES)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HOST_RESOURCES);
        let mut state = Self {
            exchange: None,
            meter,
            limiter: MemoryLimiter::new(&plugin.limits),
            table,
            response_bytes_left: 0,
            responses_held: 0,
            hostcalls_left: 0,
            log: LogBudget::new(0),
            stdout,
            stderr,
            last_words: Bytes::new(),
            wasi,
            plugin,
        };
        state.begin_call();
        state
    }

    pub(super) fn begin_call(&mut self) {
        let limits = &self.plugin.limits;
        self.hostcalls_left = limits.hostcalls;
        self.response_bytes_left = limits.response_body;
        self.log = LogBudget::new(limits.log_bytes);
        self.limiter.take_denied();
    }

    /// Logs what the guest wrote to its standard streams, and that it was cut short when it was.
    pub(super) fn end_call(&mut self, phase: Phase) {
        let last_words = std::mem::take(&mut self.last_words);
        let written = [
            (self.stdout.take(), "stdout", LogLevel::Info),
            (last_words, "stderr", LogLevel::Warn),
            (self.stderr.take(), "stderr", LogLevel::Warn),
        ];
        for (bytes, context, level) in written.into_iter().filter(|(bytes, ..)| !bytes.is_empty()) {
            let text = String::from_utf8_lossy(&bytes);
            for line in self.plugin.config.redact(&text).lines() {
                emit(&self.plugin, self.exchange.as_deref(), &mut self.log, level, context, line);
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

    /// What the guest wrote to stderr in this call. It is still logged when the call ends.
    pub(super) fn take_stderr(&mut self) -> String {
        self.last_words = self.stderr.take();
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

    /// Tells the operator that the plugin asked for what it is not granted, and which key of the config grants it.
    pub(crate) fn denied(&mut self, capability: &str, key: &str, what: &str) {
        self.log(LogLevel::Warn, "host", &format!("{capability}: denied {what}: `{key}` does not grant it"));
    }

    /// Logs a message of the guest, within its budget.
    pub(crate) fn log(&mut self, level: LogLevel, context: &str, message: &str) {
        emit(&self.plugin, self.exchange.as_deref(), &mut self.log, level, context, message);
    }
}

fn emit(
    plugin: &PluginContext,
    exchange: Option<&ExchangeState>,
    budget: &mut LogBudget,
    level: LogLevel,
    context: &str,
    message: &str,
) {
    if budget.admits(context.len() + message.len()) {
        let exchange = exchange.map_or("", |exchange| &exchange.facts.id);
        plugin.log.log(&LogRecord { plugin: &plugin.name, exchange, level, context, message });
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
