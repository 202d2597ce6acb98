//! Token buckets, one a client, in bounded memory.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    time::{Duration, Instant},
};

/// Token buckets of `burst` tokens, of which each comes back after an interval.
///
/// A bucket is stored as the moment when it will be full again: what it holds follows from that, and a bucket that is
/// full needs no place. Clients are told apart by a hash, with a seed of the instance's own, so that what they send is
/// not kept and its length does not matter.
#[derive(Debug)]
pub(crate) struct Buckets {
    interval: Duration,
    whole: Duration,
    max_clients: usize,
    full_at: HashMap<u64, Instant>,
    hasher: RandomState,
}

impl Buckets {
    /// Buckets of `requests` tokens that fill in `period`, for at most `max_clients` clients at once. None when a
    /// token would come back in less than a nanosecond.
    pub(crate) fn new(requests: u32, period: Duration, max_clients: usize) -> Option<Self> {
        let interval = period.checked_div(requests).filter(|interval| !interval.is_zero())?;
        Some(Self {
            interval,
            whole: interval * requests,
            max_clients: max_clients.max(1),
            full_at: HashMap::new(),
            hasher: RandomState::new(),
        })
    }

    /// Takes a token of this client's, or says how long it must wait for one.
    pub(crate) fn take(&mut self, client: impl Hash, now: Instant) -> Result<(), Duration> {
        let client = self.hasher.hash_one(client);
        let full_at = self.full_at.get(&client).copied().unwrap_or(now).max(now) + self.interval;
        let wait = full_at.saturating_duration_since(now + self.whole);
        if !wait.is_zero() {
            return Err(wait);
        }
        if self.full_at.len() >= self.max_clients && !self.full_at.contains_key(&client) {
            self.make_room(now);
        }
        self.full_at.insert(client, full_at);
        Ok(())
    }

    /// Forgets the buckets that are full. When all are in use, forgets the fuller half: its clients gain least.
    fn make_room(&mut self, now: Instant) {
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() < self.max_clients {
            return;
        }
        let mut moments: Vec<_> = self.full_at.values().copied().collect();
        let (_, median, _) = moments.select_nth_unstable(self.max_clients / 2);
        let median = *median;
        self.full_at.retain(|_, full_at| *full_at > median);
    }
}
