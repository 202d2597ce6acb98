//! Guest → host: log messages.

use wasmtime::Result;

use super::bindings::{
    wasi::logging::logging::{self, Level},
    wasm_host::plugin::log,
};
use crate::{
    LogLevel,
    capability::kept_fields,
    store::{HostState, Message},
};

/// The context of what a guest without WASI would write there: a failure tells it as the guest's last words.
const STDERR: &str = "stderr";

impl logging::Host for HostState {
    fn log(&mut self, level: Level, context: String, message: String) -> Result<()> {
        self.count_hostcall()?;
        if context == STDERR {
            self.write_stderr(&message);
        } else {
            self.log(level_of(level), &context, &message);
        }
        Ok(())
    }
}

impl log::Host for HostState {
    fn emit(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> Result<()> {
        self.count_hostcall()?;
        let fields = kept_fields(fields);
        self.log_with(Message { level: level_of(level), context: "", message: &message, fields: &fields });
        Ok(())
    }
}

fn level_of(level: Level) -> LogLevel {
    match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
        Level::Critical => LogLevel::Critical,
    }
}
