//! What threads would otherwise take from each other's caches: one for each thread, as far as there are processors.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

/// As many `T` as there are processors, rounded up to a power of two so that finding one's own takes no division; each in
/// cache lines of its own. A thread always gets the same one; threads beyond their number share.
#[derive(Debug)]
pub(crate) struct PerThread<T>(Box<[Padded<T>]>);

/// Two lines: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, |threads| threads.get());
        Self((0..threads.next_power_of_two()).map(|_| Padded::default()).collect())
    }
}

impl<T> PerThread<T> {
    /// This thread's own.
    #[expect(clippy::indexing_slicing, reason = "there is at least one")]
    pub(crate) fn own(&self) -> &T {
        &self.0[self.own_index()].0
    }

    fn own_index(&self) -> usize {
        own_number() & (self.0.len() - 1)
    }

    /// All of them, this thread's own first.
    pub(crate) fn own_first(&self) -> impl Iterator<Item = &T> {
        let (before, from_own) = self.0.split_at(self.own_index());
        from_own.iter().chain(before).map(|padded| &padded.0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

fn own_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static NUMBER: usize = NEXT.fetch_add(1, Relaxed); }
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_own() {
        let counts = PerThread::<AtomicUsize>::default();
        counts.own().fetch_add(1, Relaxed);
        counts.own().fetch_add(1, Relaxed);
        assert_eq!(counts.own_first().next().unwrap().load(Relaxed), 2);
        assert_eq!(counts.own_first().count(), counts.iter().count());
        assert_eq!(counts.iter().map(|count| count.load(Relaxed)).sum::<usize>(), 2);
    }
}
