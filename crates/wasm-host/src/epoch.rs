//! The tick that interrupts guests.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use wasmtime::{Engine, EngineWeak};

/// After so many ticks it is asked again whether guests run, and after as many more it rests.
const PATIENCE: u32 = 32;
/// How often it ticks while it rests: what went past it is late by no more.
const REST: Duration = Duration::from_millis(50);

/// Advances the epoch of the engines with each tick, while guests run, until it is dropped.
pub(crate) struct EpochTicker {
    tick: Duration,
    engines: Mutex<Vec<EngineWeak>>,
    /// Guests have run lately.
    is_needed: AtomicBool,
    wake: Sender<()>,
}

impl EpochTicker {
    pub(crate) fn start(tick: Duration) -> io::Result<Arc<Self>> {
        let (wake, woken) = channel();
        let engines = Mutex::default();
        let ticker = Arc::new(Self { tick, engines, is_needed: AtomicBool::new(false), wake });
        let weak = Arc::downgrade(&ticker);
        let advance = move |asks| weak.upgrade().map(|ticker| ticker.advance(asks));
        thread::Builder::new().name("wasm-host-epoch".into()).spawn(move || run(tick, &woken, advance))?;
        Ok(ticker)
    }

    /// Has the engine's guests interrupted.
    pub(crate) fn add(&self, engine: &Engine) {
        self.engines.lock().push(engine.weak());
    }

    /// From one look at a running guest to the next.
    pub(crate) fn tick(&self) -> Duration {
        self.tick
    }

    /// Told whenever a guest begins to run, goes on and is looked at. It writes nothing, and disturbs no other thread,
    /// while that is known.
    pub(crate) fn guest_runs(&self) {
        if !self.is_needed.load(Relaxed) && !self.is_needed.swap(true, Relaxed) {
            // The thread is there as long as this is.
            let _ = self.wake.send(());
        }
    }

    fn advance(&self, asks: bool) {
        if asks {
            self.is_needed.store(false, Relaxed);
        }
        for engine in self.engines.lock().iter().filter_map(EngineWeak::upgrade) {
            engine.increment_epoch();
        }
    }
}

impl fmt::Debug for EpochTicker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochTicker").field("tick", &self.tick).finish_non_exhaustive()
    }
}

/// Ticks until nobody is left. `advance` is told when to ask whether guests run; the answer is to be woken.
fn run(tick: Duration, woken: &Receiver<()>, advance: impl Fn(bool) -> Option<()>) {
    let mut quiet = 2 * PATIENCE;
    loop {
        let rests = quiet >= 2 * PATIENCE;
        match woken.recv_timeout(if rests { REST.max(tick) } else { tick }) {
            Ok(()) => quiet = 0,
            Err(RecvTimeoutError::Timeout) => quiet = quiet.saturating_add(1),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if advance(quiet == PATIENCE).is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::atomic::AtomicU32;

    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    #[test]
    fn it_rests_while_no_guest_runs_and_ticks_when_one_does() {
        let ticks = Arc::new(AtomicU32::new(0));
        let (wake, woken) = channel();
        let counted = Arc::clone(&ticks);
        let count = move |_| {
            counted.fetch_add(1, Relaxed);
            Some(())
        };
        let ticking = thread::spawn(move || run(TICK, &woken, count));
        for _ in 0..2 {
            wake.send(()).unwrap();
            let woken_at = ticks.load(Relaxed);
            while ticks.load(Relaxed) < woken_at + PATIENCE {
                thread::sleep(TICK);
            }
            thread::sleep(10 * REST);
            let since = ticks.load(Relaxed) - woken_at;
            assert!(since < 4 * PATIENCE, "it ticked {since} times in half a second");
        }
        drop(wake);
        ticking.join().unwrap();
    }

    #[test]
    fn guests_are_asked_for_again_and_again() {
        let ticker = EpochTicker::start(TICK).unwrap();
        for _ in 0..3 {
            ticker.guest_runs();
            while ticker.is_needed.load(Relaxed) {
                thread::sleep(TICK);
            }
        }
    }
}
