use std::{collections::VecDeque, num::NonZeroU32, time::Duration};

use super::{RateDecision, SlidingWindow};

/// What a sliding window admitted, and when: one entry a millisecond, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    entries: VecDeque<(u64, u32)>,
    total: u32,
}

impl Admissions {
    /// Admits the cost when there is room for it. `now` is in milliseconds; one that is earlier than the latest
    /// admission counts as that.
    pub(super) fn admit(&mut self, rule: &SlidingWindow, cost: NonZeroU32, now: u64) -> RateDecision {
        let now = self.entries.back().map_or(now, |(latest, _)| now.max(*latest));
        let window = u64::try_from(rule.window().as_millis()).unwrap_or(u64::MAX);
        while let Some((_, admitted)) = self.entries.pop_front_if(|(at, _)| at.saturating_add(window) <= now) {
            self.total -= admitted;
        }
        let limit = rule.limit().get();
        let fits = self.total.checked_add(cost.get()).filter(|total| *total <= limit);
        let allowed = fits.is_some();
        if let Some(total) = fits {
            self.total = total;
            match self.entries.back_mut() {
                Some((at, admitted)) if *at == now => *admitted += cost.get(),
                _ => self.entries.push_back((now, cost.get())),
            }
        }
        let until = |at: u64| Duration::from_millis(at.saturating_add(window).saturating_sub(now));
        let retry_after = if allowed { Duration::ZERO } else { until(self.room_for(cost, limit)) };
        let reset = self.entries.back().map_or(Duration::ZERO, |(at, _)| until(*at));
        RateDecision { allowed, remaining: limit - self.total, retry_after, reset }
    }

    /// The admission that has to leave the window before there is room for the cost.
    fn room_for(&self, cost: NonZeroU32, limit: u32) -> u64 {
        let mut left = self.total;
        let leaves = self.entries.iter().find(|(_, admitted)| {
            left -= admitted;
            left.saturating_add(cost.get()) <= limit
        });
        leaves.map_or(0, |(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(duration: Duration) -> u128 {
        duration.as_millis()
    }

    #[test]
    fn a_window_slides_to_the_millisecond() {
        let rule = SlidingWindow::new(3, Duration::from_millis(100)).unwrap();
        let mut admissions = Admissions::default();
        let mut ask = |cost, now| {
            let decision = admissions.admit(&rule, NonZeroU32::new(cost).unwrap(), now);
            (decision.allowed, decision.remaining, ms(decision.retry_after), ms(decision.reset))
        };
        assert_eq!(ask(1, 0), (true, 2, 0, 100));
        assert_eq!(ask(2, 50), (true, 0, 0, 100));
        assert_eq!(ask(1, 99), (false, 0, 1, 51));
        assert_eq!(ask(2, 99), (false, 0, 51, 51));
        assert_eq!(ask(1, 100), (true, 0, 0, 100));
        assert_eq!(ask(3, 149), (false, 0, 51, 51));
        assert_eq!(ask(2, 150), (true, 0, 0, 100));
        assert_eq!(ask(1, 10), (false, 0, 50, 100), "a clock that went back is taken as the latest time");
    }

    #[test]
    fn admissions_of_one_millisecond_are_one_entry() {
        let rule = SlidingWindow::new(10_000, Duration::from_secs(1)).unwrap();
        let mut admissions = Admissions::default();
        for _ in 0..10_000 {
            assert!(admissions.admit(&rule, NonZeroU32::MIN, 7).allowed);
        }
        assert!(!admissions.admit(&rule, NonZeroU32::MIN, 7).allowed);
        assert_eq!(admissions.entries, [(7, 10_000)]);
    }
}
