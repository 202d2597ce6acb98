use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use governor::{
    Quota, clock::Clock as _, middleware::StateInformationMiddleware, state::keyed::DefaultKeyedStateStore,
};
use moka::{Expiry, sync::Cache};
use parking_lot::{Mutex, RwLock};

use super::{
    RateDecision, RateLimitId, RateLimiter, RateLimiterUnavailable, RateRule, SlidingWindow, TokenBucket,
    window::Admissions,
};
use crate::capability::{BoxFuture, Clock, RateClock, SystemClock};

/// Work after which full buckets are looked for, besides that of the buckets there are.
const CLEANING: usize = 1024;
/// What a new rule adds to it: each has a table of its own.
const NEW_RULE: usize = 32;
/// How much longer than its window an idle key is kept: one that is found is not dropped before it was used.
const SLACK: Duration = Duration::from_secs(60);

/// The default: counts in the memory of this process, and starts anew with it.
///
/// A key takes memory from its first admission until its limit is whole again, and a little longer. The quotas of the
/// plugins, [`Limits::rate_limit_keys`](crate::Limits::rate_limit_keys), bound how many there are.
pub struct MemoryRateLimiter {
    clock: RateClock,
    /// Checked under the read lock: a rule is dropped, under the write lock, while nobody checks it.
    buckets: RwLock<HashMap<TokenBucket, Buckets>>,
    windows: Cache<(SlidingWindow, Key), Arc<Mutex<Admissions>>>,
    /// Checks since full buckets were looked for, and how many there may be until then.
    work: AtomicUsize,
    cleaning_at: AtomicUsize,
}

type Buckets = governor::RateLimiter<Key, DefaultKeyedStateStore<Key>, RateClock, StateInformationMiddleware>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    space: Box<str>,
    key: Box<str>,
}

impl MemoryRateLimiter {
    /// A limiter that takes the time from this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock: RateClock(clock),
            buckets: RwLock::default(),
            windows: Cache::builder().expire_after(IdleWindows).build(),
            work: AtomicUsize::new(0),
            cleaning_at: AtomicUsize::new(CLEANING),
        }
    }

    fn take(&self, rule: TokenBucket, key: &Key, cost: NonZeroU32) -> Option<RateDecision> {
        let outcome = {
            let buckets = self.buckets.read();
            buckets.get(&rule).map(|buckets| take(rule, buckets, key, cost))
        };
        if let Some(outcome) = outcome {
            self.note_work(1);
            return outcome;
        }
        let outcome = {
            let mut buckets = self.buckets.write();
            let quota = Quota::with_period(rule.interval())?.allow_burst(rule.capacity());
            let buckets = buckets
                .entry(rule)
                .or_insert_with(|| Buckets::new(quota, DefaultKeyedStateStore::default(), self.clock.clone()));
            take(rule, buckets, key, cost)
        };
        self.note_work(NEW_RULE);
        outcome
    }

    /// Drops the buckets that are full now and then: as often as costs each check the same, however many there are.
    fn note_work(&self, work: usize) {
        if self.work.fetch_add(work, Relaxed) < self.cleaning_at.load(Relaxed) {
            return;
        }
        let mut buckets = self.buckets.write();
        self.work.store(0, Relaxed);
        let mut left = 0;
        buckets.retain(|_, buckets| {
            buckets.retain_recent();
            buckets.shrink_to_fit();
            left += buckets.len() + NEW_RULE;
            !buckets.is_empty()
        });
        self.cleaning_at.store(left.max(CLEANING), Relaxed);
    }

    fn admit(&self, rule: SlidingWindow, key: Key, cost: NonZeroU32) -> RateDecision {
        // Before the key is looked up: one that is dropped meanwhile has admitted nothing that still counts.
        let now = u64::try_from(self.clock.0.monotonic().as_millis()).unwrap_or(u64::MAX);
        let admissions = self.windows.get_with((rule, key), Arc::default);
        let mut admissions = admissions.lock();
        admissions.admit(&rule, cost, now)
    }
}

fn take(rule: TokenBucket, buckets: &Buckets, key: &Key, cost: NonZeroU32) -> Option<RateDecision> {
    Some(match buckets.check_key_n(key, cost).ok()? {
        Ok(state) => rule.admitted(state.remaining_burst_capacity()),
        Err(not_until) => rule.refused(cost, not_until.wait_time_from(buckets.clock().now())),
    })
}

impl RateLimiter for MemoryRateLimiter {
    fn check<'a>(
        &'a self,
        RateLimitId { space, key }: RateLimitId<'a>,
        rule: RateRule,
        cost: NonZeroU32,
    ) -> BoxFuture<'a, Result<RateDecision, RateLimiterUnavailable>> {
        let key = Key { space: space.into(), key: key.into() };
        let decision = match rule {
            RateRule::TokenBucket(rule) => self.take(rule, &key, cost),
            RateRule::SlidingWindow(rule) => Some(self.admit(rule, key, cost)),
        };
        let too_much = || RateLimiterUnavailable("the cost is more than the rule ever admits at once".to_owned());
        Box::pin(std::future::ready(decision.ok_or_else(too_much)))
    }
}

impl Default for MemoryRateLimiter {
    fn default() -> Self {
        Self::with_clock(Arc::new(SystemClock::default()))
    }
}

impl fmt::Debug for MemoryRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRateLimiter").finish_non_exhaustive()
    }
}

/// Drops a window's key when nobody has asked for it for longer than the window.
struct IdleWindows;

impl<V> Expiry<(SlidingWindow, Key), V> for IdleWindows {
    fn expire_after_create(&self, (rule, _): &(SlidingWindow, Key), _: &V, _: Instant) -> Option<Duration> {
        Some(rule.window() + SLACK)
    }

    fn expire_after_read(
        &self,
        (rule, _): &(SlidingWindow, Key),
        _: &V,
        _: Instant,
        _: Option<Duration>,
        _: Instant,
    ) -> Option<Duration> {
        Some(rule.window() + SLACK)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::capability::ManualClock;

    fn bucket(capacity: u32, refill: u32, seconds: u64) -> TokenBucket {
        TokenBucket::new(capacity, refill, Duration::from_secs(seconds)).unwrap()
    }

    fn key(number: u32) -> Key {
        Key { space: "s".into(), key: number.to_string().into() }
    }

    fn cost(cost: u32) -> NonZeroU32 {
        NonZeroU32::new(cost).unwrap()
    }

    #[test]
    fn a_bucket_refills_token_by_token() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let limiter = MemoryRateLimiter::with_clock(Arc::new(clock.clone()));
        let rule = bucket(10, 2, 1);
        let take = |n| {
            let decision = limiter.take(rule, &key(1), cost(n)).unwrap();
            (decision.allowed, decision.remaining, decision.retry_after.as_millis(), decision.reset.as_millis())
        };
        assert_eq!(take(10), (true, 0, 0, 5000));
        assert_eq!(take(1), (false, 0, 500, 5000));
        clock.advance(Duration::from_millis(499));
        assert_eq!(take(1), (false, 0, 1, 5000));
        clock.advance(Duration::from_millis(1001));
        assert_eq!(take(5), (false, 3, 1000, 3500));
        assert_eq!(take(3), (true, 0, 0, 5000));
        clock.advance(Duration::from_secs(1000));
        assert_eq!(take(10), (true, 0, 0, 5000));
        assert!(limiter.take(rule, &key(1), cost(11)).is_none());
    }

    #[test]
    fn full_buckets_are_dropped_and_with_them_their_rules() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let limiter = MemoryRateLimiter::with_clock(Arc::new(clock.clone()));
        let held = |limiter: &MemoryRateLimiter| {
            let buckets = limiter.buckets.read();
            (buckets.len(), buckets.values().map(Buckets::len).sum::<usize>())
        };
        for number in 0..10_000 {
            limiter.take(bucket(1, 1, 10), &key(number), cost(1));
        }
        assert_eq!(held(&limiter), (1, 10_000));
        clock.advance(Duration::from_secs(60));
        for _ in 0..20_100 {
            limiter.take(bucket(2, 1, 10), &key(0), cost(1));
        }
        assert_eq!(held(&limiter), (1, 1));
        for capacity in 1..10_000 {
            limiter.take(bucket(capacity, 1000, 1), &key(0), cost(1));
            clock.advance(Duration::from_millis(10));
        }
        assert!(held(&limiter).0 < 200, "{:?}", held(&limiter));
    }
}
