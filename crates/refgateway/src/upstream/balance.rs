//! Which server of a service takes a request.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Upstream;
use crate::config::Balance;

/// Picks servers by their number.
#[derive(Debug)]
pub(super) struct Balancer {
    kind: Balance,
    /// Every server as often as its weight says, spread evenly.
    turns: Vec<usize>,
    next: AtomicUsize,
}

impl Balancer {
    /// For servers of these weights.
    pub(super) fn new(kind: Balance, weights: &[u8]) -> Self {
        Self { kind, turns: spread(weights), next: AtomicUsize::new(0) }
    }

    /// The server to try, none of those `tried` already. Servers that are out come last.
    pub(super) fn pick(&self, upstreams: &[impl AsRef<Upstream>], tried: &[usize]) -> Option<usize> {
        if let ([_], []) = (upstreams, tried) {
            return Some(0);
        }
        let usable = |index: usize, only_in: bool| {
            let upstream = upstreams.get(index)?.as_ref();
            (!tried.contains(&index) && (!only_in || upstream.health.is_in())).then_some(upstream)
        };
        [true, false].into_iter().find_map(|only_in| match self.kind {
            Balance::RoundRobin => self.in_turn(|index| usable(index, only_in).is_some()),
            Balance::LeastRequests => self.least(upstreams.len(), |index| usable(index, only_in)),
        })
    }

    fn in_turn(&self, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        self.turns_from(start).find(|&index| usable(index))
    }

    fn least<'u>(&self, count: usize, usable: impl Fn(usize) -> Option<&'u Upstream>) -> Option<usize> {
        // Starting elsewhere each time shares ties out.
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        (0..count)
            .map(|offset| (start.wrapping_add(offset)) % count)
            .filter_map(|index| Some((index, usable(index)?)))
            .min_by(|(_, a), (_, b)| load(a).total_cmp(&load(b)))
            .map(|(index, _)| index)
    }

    fn turns_from(&self, start: usize) -> impl Iterator<Item = usize> {
        let start = start.checked_rem(self.turns.len()).unwrap_or(0);
        let (before, after) = self.turns.split_at_checked(start).unwrap_or((&[], &self.turns));
        after.iter().chain(before).copied()
    }
}

fn load(upstream: &Upstream) -> f64 {
    upstream.in_flight() as f64 / f64::from(upstream.weight)
}

/// Smooth weighted round robin, worked out once: 3 and 1 become 0 0 1 0.
fn spread(weights: &[u8]) -> Vec<usize> {
    let total: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
    let mut credits = vec![0_i32; weights.len()];
    let mut turns = Vec::new();
    for _ in 0..total {
        for (credit, &weight) in credits.iter_mut().zip(weights) {
            *credit += i32::from(weight);
        }
        let richest = credits.iter_mut().enumerate().rev().max_by_key(|(_, credit)| **credit);
        if let Some((index, credit)) = richest {
            *credit -= total;
            turns.push(index);
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_the_weights_evenly() {
        assert_eq!(spread(&[1, 1]), [0, 1]);
        assert_eq!(spread(&[3, 1]), [0, 0, 1, 0]);
        assert_eq!(spread(&[]), [] as [usize; 0]);
    }
}
