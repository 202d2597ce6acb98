use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use super::RateRule;

/// Rules that one plugin may have in use.
const RULES: usize = 100;

/// The limits that one plugin has in use: those that are not whole yet.
///
/// Keys are told apart by a hash, with a seed of its own, so that their length costs nothing here.
#[derive(Debug)]
pub(super) struct Used {
    quota: usize,
    weight: usize,
    /// For each rule and key the moment from which the limit is whole.
    rules: HashMap<RateRule, HashMap<u64, Duration>>,
    /// No limit is whole before this.
    earliest: Duration,
    hasher: RandomState,
}

/// The plugin has as many keys or rules in use as it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OverQuota;

impl Used {
    pub(super) fn new(quota: usize) -> Self {
        Self { quota, weight: 0, rules: HashMap::new(), earliest: Duration::MAX, hasher: RandomState::new() }
    }

    /// Takes a place for a limit, unless it has one, for as long as the rule remembers.
    pub(super) fn take(&mut self, rule: RateRule, key: &str, now: Duration) -> Result<(), OverQuota> {
        let key = self.hasher.hash_one(key);
        if self.rules.get(&rule).is_some_and(|keys| keys.contains_key(&key)) {
            return Ok(());
        }
        if !self.has_room(rule) && self.earliest <= now {
            self.forget_whole(now);
        }
        if !self.has_room(rule) {
            return Err(OverQuota);
        }
        self.weight += rule.weight();
        self.keep(rule, key, now.saturating_add(rule.horizon()));
        Ok(())
    }

    /// The limit is whole from then on.
    pub(super) fn note(&mut self, rule: RateRule, key: &str, whole_at: Duration) {
        let key = self.hasher.hash_one(key);
        if self.rules.get(&rule).is_some_and(|keys| keys.contains_key(&key)) {
            self.keep(rule, key, whole_at);
        }
    }

    fn keep(&mut self, rule: RateRule, key: u64, whole_at: Duration) {
        self.rules.entry(rule).or_default().insert(key, whole_at);
        self.earliest = self.earliest.min(whole_at);
    }

    fn has_room(&self, rule: RateRule) -> bool {
        let is_known = self.rules.contains_key(&rule);
        (is_known || self.rules.len() < RULES) && self.weight.saturating_add(rule.weight()) <= self.quota
    }

    fn forget_whole(&mut self, now: Duration) {
        let (weight, earliest) = (&mut self.weight, &mut self.earliest);
        *earliest = Duration::MAX;
        self.rules.retain(|rule, keys| {
            keys.retain(|_, whole_at| {
                let stays = *whole_at > now;
                if stays {
                    *earliest = (*earliest).min(*whole_at);
                } else {
                    *weight -= rule.weight();
                }
                stays
            });
            keys.shrink_to_fit();
            !keys.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SlidingWindow, TokenBucket};

    const SECOND: Duration = Duration::from_secs(1);

    fn bucket(capacity: u32) -> RateRule {
        RateRule::TokenBucket(TokenBucket::new(capacity, 1, SECOND).unwrap())
    }

    #[test]
    fn a_place_is_free_again_when_the_limit_is_whole() {
        let mut used = Used::new(2);
        let rule = bucket(1);
        assert_eq!(used.take(rule, "a", Duration::ZERO), Ok(()));
        assert_eq!(used.take(rule, "b", Duration::ZERO), Ok(()));
        assert_eq!(used.take(rule, "a", Duration::ZERO), Ok(()));
        assert_eq!(used.take(rule, "c", Duration::ZERO), Err(OverQuota));
        used.note(rule, "a", 5 * SECOND);
        assert_eq!(used.take(rule, "c", SECOND), Ok(()));
        assert_eq!(used.take(rule, "d", SECOND), Err(OverQuota));
        assert_eq!(used.take(rule, "d", 2 * SECOND), Ok(()));
        assert_eq!(used.weight, 2);
    }

    #[test]
    fn windows_weigh_what_they_remember() {
        let mut used = Used::new(10);
        let window = RateRule::SlidingWindow(SlidingWindow::new(500, SECOND).unwrap());
        assert_eq!(used.take(window, "a", Duration::ZERO), Ok(()));
        assert_eq!(used.take(window, "b", Duration::ZERO), Ok(()));
        assert_eq!(used.take(bucket(1), "a", Duration::ZERO), Err(OverQuota));
        assert_eq!(used.take(bucket(1), "a", SECOND), Ok(()));
        assert_eq!(used.weight, 1);
    }

    #[test]
    fn rules_are_bounded_too() {
        let mut used = Used::new(10_000);
        for capacity in 1..=100 {
            assert_eq!(used.take(bucket(capacity), "a", Duration::ZERO), Ok(()));
        }
        assert_eq!(used.take(bucket(101), "a", Duration::ZERO), Err(OverQuota));
        assert_eq!(used.take(bucket(100), "b", Duration::ZERO), Ok(()));
        assert_eq!(used.take(bucket(101), "a", SECOND), Ok(()));
    }
}
