//! The tick that interrupts guests.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
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
/// After so many ticks at which no guest had computed for long, the next ones are further apart.
const CALM: u32 = 32;
/// How much further. The first guest that computes for long then is looked at so late, once.
const CALM_TICKS: u32 = 4;

/// Advances the epoch of the engines with each tick, while guests run, until it is dropped.
pub(crate) struct EpochTicker {
    tick: Duration,
    engines: Mutex<Vec<EngineWeak>>,
    /// Guests have run lately.
    is_needed: AtomicBool,
    /// Ticks since a guest may have computed for a tick or longer, at most [`CALM`].
    calm: AtomicU32,
    wake: Sender<()>,
}

impl EpochTicker {
    pub(crate) fn start(tick: Duration) -> io::Result<Arc<Self>> {
        let (wake, woken) = channel();
        let engines = Mutex::default();
        let (is_needed, calm) = (AtomicBool::new(false), AtomicU32::new(0));
        let ticker = Arc::new(Self { tick, engines, is_needed, calm, wake });
        let weak = Arc::downgrade(&ticker);
        let advance = move |asks| weak.upgrade().map(|ticker| ticker.advance(asks));
        thread::Builder::new().name("wasm-host-epoch".into()).spawn(move || run(tick, &woken, advance))?;
        Ok(ticker)
    }

    /// Has the engine's guests interrupted.
    pub(crate) fn add(&self, engine: &Engine) {
        self.engines.lock().push(engine.weak());
    }

    /// From one look at a guest that computes to the next.
    pub(crate) fn tick(&self) -> Duration {
        self.tick
    }

    /// No guest that runs is not looked at for longer, but for what it waits for a processor.
    pub(crate) fn longest_pause(&self) -> Duration {
        (CALM_TICKS + 1) * self.tick
    }

    /// Told whenever a guest begins to run, goes on and is looked at. It writes nothing, and disturbs no other thread,
    /// while that is known.
    pub(crate) fn guest_runs(&self) {
        if !self.is_needed.load(Relaxed) && !self.is_needed.swap(true, Relaxed) {
            // The thread is there as long as this is.
            let _ = self.wake.send(());
        }
    }

    /// Told when a guest that is looked at may have computed for a tick or longer.
    pub(crate) fn guest_computes(&self) {
        if self.calm.swap(0, Relaxed) == CALM {
            let _ = self.wake.send(());
        }
    }

    /// One tick. Whether the next ones may be further apart.
    fn advance(&self, asks: bool) -> bool {
        if asks {
            self.is_needed.store(false, Relaxed);
        }
        for engine in self.engines.lock().iter().filter_map(EngineWeak::upgrade) {
            engine.increment_epoch();
        }
        self.calm.load(Relaxed) == CALM || self.calm.fetch_add(1, Relaxed) + 1 == CALM
    }
}

impl fmt::Debug for EpochTicker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochTicker").field("tick", &self.tick).finish_non_exhaustive()
    }
}

/// Ticks until nobody is left. `advance` is told when to ask whether guests run; the answer is to be woken. It says whether
/// the next ticks may be further apart.
fn run(tick: Duration, woken: &Receiver<()>, advance: impl Fn(bool) -> Option<bool>) {
    let (mut quiet, mut is_calm) = (2 * PATIENCE, false);
    loop {
        let pause = if quiet >= 2 * PATIENCE {
            REST.max(tick)
        } else if is_calm {
            CALM_TICKS * tick
        } else {
            tick
        };
        match woken.recv_timeout(pause) {
            Ok(()) => quiet = 0,
            Err(RecvTimeoutError::Timeout) => quiet = quiet.saturating_add(1),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        match advance(quiet == PATIENCE) {
            Some(calm) => is_calm = calm,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use std::time::Instant;

    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    #[test]
    fn it_rests_while_no_guest_runs_and_ticks_when_one_does() {
        let ticks = Arc::new(AtomicU32::new(0));
        let (wake, woken) = channel();
        let counted = Arc::clone(&ticks);
        let count = move |_| {
            counted.fetch_add(1, Relaxed);
            Some(false)
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
    fn it_ticks_less_often_while_no_guest_computes() {
        // Its own thread never ticks while this test runs.
        let ticker = EpochTicker::start(Duration::from_secs(3600)).unwrap();
        let (wake, woken) = channel();
        let (ticked, ticks) = channel();
        let advance = move |asks| ticked.send(Instant::now()).ok().map(|()| ticker.advance(asks));
        let ticking = thread::spawn(move || run(TICK, &woken, advance));
        wake.send(()).unwrap();
        let ticks: Vec<_> = ticks.iter().skip(CALM as usize).take(9).collect();
        assert!(ticks[8].duration_since(ticks[0]) >= 8 * CALM_TICKS * TICK, "{ticks:?}");
        drop(wake);
        ticking.join().unwrap();
    }

    #[test]
    fn a_guest_that_computes_ends_the_calm_at_once() {
        // Only being woken makes it tick while this test runs.
        let ticker = EpochTicker::start(Duration::from_secs(3600)).unwrap();
        ticker.calm.store(CALM, Relaxed);
        ticker.guest_computes();
        let started = Instant::now();
        while ticker.calm.load(Relaxed) == 0 {
            assert!(started.elapsed() < Duration::from_secs(60), "it was not woken");
            thread::sleep(TICK);
        }
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
