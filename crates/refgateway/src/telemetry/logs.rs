//! The process's log.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

/// Logs to standard error: for people on a terminal, JSON lines otherwise. `filter` is in `RUST_LOG`'s syntax.
///
/// Does nothing when a log is installed already.
pub fn install(filter: Option<&str>) {
    let filter = match filter {
        Some(filter) => EnvFilter::try_new(filter).ok(),
        None => EnvFilter::try_from_default_env().ok(),
    };
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if std::io::stderr().is_terminal() {
        log.compact().with_target(false).try_init()
    } else {
        log.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
}
