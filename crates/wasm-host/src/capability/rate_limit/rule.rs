use std::{num::NonZeroU32, time::Duration};

/// Tokens of a bucket, and tokens that come back in one period.
const TOKENS: u32 = 1_000_000;
/// What one sliding window admits: every admission is remembered.
const ADMISSIONS: u32 = 10_000;
/// Admissions of a sliding window that weigh as much as one bucket.
const ADMISSIONS_PER_KEY: u32 = 100;
/// A token comes back in no less: the interval is rounded up to nanoseconds, which is then less than a thousandth.
const SHORTEST_INTERVAL: Duration = Duration::from_micros(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// The longest window or period, and the longest that a bucket may take to fill.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How much is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateRule {
    /// Bursts up to the capacity, and a steady rate in the long run.
    TokenBucket(TokenBucket),
    /// In no stretch of time of the window's length more than the limit.
    SlidingWindow(SlidingWindow),
}

impl RateRule {
    /// The most that is admitted at once.
    pub fn limit(&self) -> u32 {
        match self {
            Self::TokenBucket(bucket) => bucket.capacity().get(),
            Self::SlidingWindow(window) => window.limit().get(),
        }
    }

    /// How long a limit is remembered at most after it was used.
    pub(super) fn horizon(&self) -> Duration {
        match self {
            Self::TokenBucket(bucket) => bucket.fills_in(),
            Self::SlidingWindow(window) => window.window(),
        }
    }

    /// What a key under this rule counts against the quota of keys.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::TokenBucket(_) => 1,
            Self::SlidingWindow(window) => window.limit().get().div_ceil(ADMISSIONS_PER_KEY) as usize,
        }
    }
}

/// A bucket that starts full. Each admission takes tokens, which come back one by one at a steady rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenBucket {
    capacity: NonZeroU32,
    interval: Duration,
}

impl TokenBucket {
    /// A bucket of `capacity` tokens, into which `refill` come back in each period.
    ///
    /// None when a number is not 1 to 1,000,000, the period is not 1 ms to 31 days, a token would come back in less than a
    /// microsecond, or the bucket would take more than 31 days to fill.
    pub fn new(capacity: u32, refill: u32, period: Duration) -> Option<Self> {
        Self::checked(capacity, refill, period).ok()
    }

    pub(crate) fn checked(capacity: u32, refill: u32, period: Duration) -> Result<Self, RuleError> {
        let capacity = within(capacity, TOKENS).ok_or(RuleError("`capacity` is 1 to 1,000,000"))?;
        let refill = within(refill, TOKENS).ok_or(RuleError("`refill` is 1 to 1,000,000"))?;
        if !(MILLISECOND..=LONGEST).contains(&period) {
            return Err(RuleError("`period-ms` is 1 to 2,678,400,000, which is 31 days"));
        }
        if period < SHORTEST_INTERVAL * refill.get() {
            return Err(RuleError("a token comes back in a microsecond or more"));
        }
        if period.as_nanos() * u128::from(capacity.get()) > LONGEST.as_nanos() * u128::from(refill.get()) {
            return Err(RuleError("a bucket fills within 31 days"));
        }
        let nanos = period.as_nanos().div_ceil(refill.get().into());
        Ok(Self { capacity, interval: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)) })
    }

    /// The tokens it holds when it is full.
    pub fn capacity(&self) -> NonZeroU32 {
        self.capacity
    }

    /// The time in which one token comes back, rounded up to whole nanoseconds.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The time in which an empty bucket fills.
    pub fn fills_in(&self) -> Duration {
        self.interval * self.capacity.get()
    }

    /// The decision, by what a bucket holds afterwards.
    pub fn admitted(&self, remaining: u32) -> super::RateDecision {
        let reset = self.interval * self.capacity.get().saturating_sub(remaining);
        super::RateDecision { allowed: true, remaining, retry_after: Duration::ZERO, reset }
    }

    /// The decision, by how long the cost must wait.
    pub fn refused(&self, cost: NonZeroU32, retry_after: Duration) -> super::RateDecision {
        let missing = retry_after.as_nanos().div_ceil(self.interval.as_nanos());
        let remaining = cost.get().saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX));
        super::RateDecision { allowed: false, retry_after, ..self.admitted(remaining) }
    }
}

/// A window that slides with the time: what was admitted counts for the window's length and not a millisecond longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlidingWindow {
    limit: NonZeroU32,
    window: Duration,
}

impl SlidingWindow {
    /// A window that admits `limit`.
    ///
    /// None when the limit is not 1 to 10,000, or the window not 1 ms to 31 days in whole milliseconds.
    pub fn new(limit: u32, window: Duration) -> Option<Self> {
        Self::checked(limit, window).ok()
    }

    pub(crate) fn checked(limit: u32, window: Duration) -> Result<Self, RuleError> {
        let limit = within(limit, ADMISSIONS).ok_or(RuleError("`limit` is 1 to 10,000"))?;
        if !(MILLISECOND..=LONGEST).contains(&window) || !window.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(RuleError("`window-ms` is 1 to 2,678,400,000, which is 31 days"));
        }
        Ok(Self { limit, window })
    }

    /// What it admits.
    pub fn limit(&self) -> NonZeroU32 {
        self.limit
    }

    /// Its length, in whole milliseconds.
    pub fn window(&self) -> Duration {
        self.window
    }
}

fn within(number: u32, most: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number).filter(|number| number.get() <= most)
}

/// What no rule is like, in the words of the WIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleError(pub(crate) &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn bounds_of_buckets() {
        let second = Duration::from_secs(1);
        for (capacity, refill, period) in [
            (0, 1, second),
            (1, 0, second),
            (1_000_001, 1, second),
            (1, 1_000_001, second),
            (u32::MAX, u32::MAX, second),
            (1, 1, Duration::ZERO),
            (1, 1, 32 * DAY),
            (1, 1001, MILLISECOND),
            (32, 1, DAY),
            (1_000_000, 1, 31 * DAY),
        ] {
            assert_eq!(TokenBucket::new(capacity, refill, period), None, "{capacity} {refill} {period:?}");
        }
        assert_eq!(TokenBucket::new(31, 1, DAY).unwrap().fills_in(), 31 * DAY);
        assert!(TokenBucket::new(7, 7, 31 * DAY).is_some(), "rounded up, it is a little more");
        assert_eq!(TokenBucket::new(1_000_000, 1_000, MILLISECOND).unwrap().interval(), SHORTEST_INTERVAL);
        assert_eq!(TokenBucket::new(1, 3, second).unwrap().interval(), Duration::from_nanos(333_333_334));
    }

    #[test]
    fn bounds_of_windows() {
        for (limit, window) in
            [(0, DAY), (10_001, DAY), (1, Duration::ZERO), (1, 32 * DAY), (1, Duration::from_micros(1500))]
        {
            assert_eq!(SlidingWindow::new(limit, window), None, "{limit} {window:?}");
        }
        assert!(SlidingWindow::new(10_000, 31 * DAY).is_some());
    }

    #[test]
    fn a_window_weighs_what_it_remembers() {
        let weight = |limit| RateRule::SlidingWindow(SlidingWindow::new(limit, DAY).unwrap()).weight();
        assert_eq!([1, 100, 101, 10_000].map(weight), [1, 1, 2, 100]);
    }
}
