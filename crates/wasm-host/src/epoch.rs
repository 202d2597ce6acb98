//! The tick that interrupts guests.

use std::{
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use wasmtime::Engine;

/// How often a running guest is interrupted, and with it the precision of its deadlines.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Advances the engine's epoch until it is dropped. One for each engine.
#[derive(Debug)]
pub(crate) struct EpochTicker {
    _stop: Sender<()>,
}

impl EpochTicker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let engine = engine.weak();
        thread::Builder::new().name("wasm-host-epoch".into()).spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { _stop: stop })
    }
}
