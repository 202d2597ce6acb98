//! Messages for the host's log.

use crate::bindings::imports::{wasi::logging::logging, wasm_host::plugin::log as fields};

pub use logging::Level;

/// Logs a message. What is over the plugin's limit is dropped by the host.
pub fn log(level: Level, message: &str) {
    logging::log(level, "", message);
}

/// Logs a message for finding faults.
pub fn debug(message: &str) {
    log(Level::Debug, message);
}

/// Logs a message worth knowing.
pub fn info(message: &str) {
    log(Level::Info, message);
}

/// Logs a message worth looking at.
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// Logs that something failed.
pub fn error(message: &str) {
    log(Level::Error, message);
}

/// Logs a message with fields: [`Record::field`] adds them, [`Record::emit`] sends it.
///
/// ```no_run
/// use wasm_host_guest::log::{self, Level};
///
/// log::record(Level::Warn, "key refused").field("consumer", "acme").field("attempts", 3).emit();
/// ```
pub fn record(level: Level, message: &str) -> Record {
    Record { level, message: message.to_owned(), fields: Vec::new() }
}

/// A message that is not sent yet.
#[derive(Clone, Debug)]
#[must_use]
pub struct Record {
    level: Level,
    message: String,
    fields: Vec<(String, String)>,
}

impl Record {
    /// Adds a field; one of this name that is there is replaced.
    pub fn field(mut self, name: &str, value: impl ToString) -> Self {
        self.fields.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sends it.
    pub fn emit(self) {
        fields::emit(self.level, &self.message, &self.fields);
    }
}
