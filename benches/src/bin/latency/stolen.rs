//! When the machine's host ran something else on a processor of ours. What was asked about that time says nothing about the
//! gateway.

use std::{
    fs,
    time::{Duration, Instant},
};

/// The thread that looks never sleeps, and no turn of its takes so long: it had no processor.
const GAP: Duration = Duration::from_millis(1);
/// From one look at what the system counted to the next.
const EVERY: Duration = Duration::from_millis(25);
/// For so long what had to wait may hold up what comes after it. It is the same for every request: leaving out by how long a
/// request took would leave out the slow ones.
const WAKE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Stolen {
    known: String,
    looked: Instant,
    last_turn: Instant,
    /// Within which time was stolen.
    spans: Vec<(Instant, Instant)>,
}

impl Stolen {
    pub(crate) fn watch() -> Self {
        let now = Instant::now();
        Self { known: stolen(), looked: now, last_turn: now, spans: Vec::new() }
    }

    /// Called on every turn of the thread that asks and hears.
    pub(crate) fn look(&mut self, now: Instant) {
        if now > self.last_turn + GAP {
            self.spans.push((self.last_turn, now));
        }
        self.last_turn = now;
        if now < self.looked + EVERY {
            return;
        }
        let stolen = stolen();
        if stolen != self.known {
            self.spans.push((self.looked, now));
            self.known = stolen;
        }
        self.looked = now;
    }

    /// Whether a request that was due then may have been held up.
    pub(crate) fn has_held_up(&self, due: Instant) -> bool {
        self.spans.iter().any(|&(from, to)| due + EVERY > from && due < to + WAKE)
    }
}

/// Ticks that were stolen from each processor, as text.
fn stolen() -> String {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let processors = stat.lines().filter(|line| line.starts_with("cpu"));
    processors.filter_map(|line| line.split_ascii_whitespace().nth(8)).collect::<Vec<_>>().join(" ")
}
