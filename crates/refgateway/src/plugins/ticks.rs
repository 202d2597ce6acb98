//! Calls of plugins between requests, on a thread of their own.

use std::{io, sync::LazyLock};

use tokio::{
    runtime::{Builder, Runtime},
    task::AbortHandle,
};
use wasm_host::Plugin;

/// One thread for the ticks of all plugins: none of them computes longer than its `limits.cpu`, and while one waits another
/// goes on.
static RUNTIME: LazyLock<io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).thread_name("plugin-ticks").enable_all().build());

/// The ticks of one version of a plugin; they end when it is dropped.
#[derive(Debug)]
pub(super) struct Ticks(AbortHandle);

impl Ticks {
    /// Begins the ticks of a plugin that has some.
    pub(super) fn of(plugin: &Plugin) -> Option<Self> {
        plugin.tick()?;
        match &*RUNTIME {
            Ok(runtime) => Some(Self(runtime.spawn(plugin.run_ticks()).abort_handle())),
            Err(error) => {
                tracing::error!(plugin = plugin.name(), %error, "the plugin does not tick: no thread can be started");
                None
            }
        }
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.0.abort();
    }
}
