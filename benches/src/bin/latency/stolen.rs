//! When the host of a virtual machine ran something else on a processor of ours. What was asked about that time says
//! nothing about the gateway.

use std::{
    fs,
    time::{Duration, Instant},
};

use benches::{LOAD_PROCESSOR, PROXY_PROCESSOR};

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(25);
/// For so long what had to wait may hold up what comes after it. It is the same for every request: leaving out by how long a
/// request took would leave out the slow ones.
const WAKE: Duration = Duration::from_millis(100);
/// A request that was due before it may have been under way.
const BEFORE: Duration = Duration::from_millis(25);

#[derive(Debug)]
pub(crate) struct Stolen {
    known: String,
    looked: Instant,
    /// Between which looks time was stolen.
    spans: Vec<(Instant, Instant)>,
}

impl Stolen {
    pub(crate) fn watch() -> Self {
        Self { known: stolen(), looked: Instant::now(), spans: Vec::new() }
    }

    /// Looks when it is time to.
    pub(crate) fn look_in_time(&mut self, now: Instant) {
        if now >= self.looked + EVERY {
            self.look(now);
        }
    }

    pub(crate) fn look(&mut self, now: Instant) {
        let stolen = stolen();
        if stolen != self.known {
            self.spans.push((self.looked, now));
            self.known = stolen;
        }
        self.looked = now;
    }

    /// Whether a request that was due then may have been held up.
    pub(crate) fn has_held_up(&self, due: Instant) -> bool {
        self.spans.iter().any(|&(from, to)| due + BEFORE > from && due < to + WAKE)
    }
}

/// Ticks that were stolen from each of the two processors, as text.
fn stolen() -> String {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let ours = [PROXY_PROCESSOR, LOAD_PROCESSOR].map(|number| format!("cpu{number} "));
    let ours = stat.lines().filter(|line| ours.iter().any(|name| line.starts_with(name)));
    ours.filter_map(|line| line.split_ascii_whitespace().nth(8)).collect::<Vec<_>>().join(" ")
}
