//! What the system tells a serving process.

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use super::Failure;
use crate::{Error, ServerHandle, config::Config};

/// The signals that a serving process obeys.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals over. To be done before anybody can know that the process serves: until then SIGHUP ends it.
    pub(super) fn install() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Worker)?;
        let signal = |kind| {
            let _within = runtime.enter();
            signal(kind).map_err(Error::Worker)
        };
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let hang_up = signal(SignalKind::hangup())?;
        Ok(Self { runtime, terminate, interrupt, hang_up })
    }

    /// Serves until SIGTERM or SIGINT, then drains; a second one ends at once. SIGHUP reloads if there is what to load.
    pub(super) fn serve(
        self,
        handle: ServerHandle,
        load: Option<impl Fn() -> Result<Config, Failure>>,
    ) -> Result<(), Failure> {
        let Self { runtime, mut terminate, mut interrupt, mut hang_up } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = hang_up.recv() => reload(&handle, load.as_ref()),
                }
            }
            let drain = handle.gateway().timeouts.drain.0;
            tracing::info!(deadline_s = drain.as_secs(), "draining");
            tokio::select! {
                () = handle.shutdown(drain) => {}
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(())
        })
    }
}

fn reload(handle: &ServerHandle, load: Option<&impl Fn() -> Result<Config, Failure>>) {
    let Some(load) = load else { return tracing::info!("nothing to reload: there is no config file") };
    let result = load().and_then(|config| handle.reload(config).map_err(Failure::from));
    match result {
        Ok(()) => tracing::info!("config reloaded"),
        Err(Failure::Config(reason)) => tracing::error!(reason, "config not reloaded, the old one stays"),
    }
}
