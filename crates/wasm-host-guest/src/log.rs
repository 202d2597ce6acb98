//! Messages for the host's log.

use crate::bindings::imports::wasi::logging::logging;

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
