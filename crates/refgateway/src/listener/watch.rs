//! When the connections of one worker have to end.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{
            AtomicU8,
            Ordering::{Acquire, Release},
        },
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::activity::Activity;

/// From one look at the connections to the next, at least and at most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How long a connection may wait for its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a request's head to its last.
    pub(super) head: Duration,
    /// Without a request.
    pub(super) idle: Duration,
}

/// The connections of one worker, which is told here of those that have to end: none of them has a timer of its own, or waits
/// for anything but its bytes.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    connections: Mutex<Connections>,
    entered: Notify,
}

#[derive(Debug, Default)]
struct Connections {
    drains: bool,
    next: u64,
    known: HashMap<u64, Known>,
}

#[derive(Debug)]
struct Known {
    activity: Arc<Activity>,
    patience: Patience,
    /// Requests that it had served when it was last looked at, and since when it is idle.
    served: u64,
    since: Instant,
    word: Arc<Word>,
}

/// What a connection is told.
#[derive(Debug, Default)]
struct Word {
    told: AtomicU8,
    /// Of the connection's task.
    waker: Mutex<Option<Waker>>,
}

/// How a connection is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Told {
    /// As before.
    Nothing = 0,
    /// It takes no more requests.
    Drain = 1,
    /// Its client used up the patience there is with it.
    End = 2,
}

/// One of the connections; drop it when the connection is over.
#[derive(Debug)]
pub(super) struct Watched {
    watch: Arc<Watch>,
    key: u64,
    word: Arc<Word>,
    is_reachable: bool,
}

impl Watch {
    pub(super) fn enter(self: &Arc<Self>, activity: Arc<Activity>, patience: Patience) -> Watched {
        let word = Arc::new(Word::default());
        let mut connections = self.connections.lock();
        if connections.drains {
            word.tell(Told::Drain);
        }
        let key = connections.next;
        connections.next += 1;
        let known = Known { activity, patience, served: 0, since: Instant::now(), word: word.clone() };
        connections.known.insert(key, known);
        self.entered.notify_one();
        Watched { watch: self.clone(), key, word, is_reachable: false }
    }

    /// Has every connection, those that are yet to come too, end after the request that it serves.
    pub(crate) fn drain(&self) {
        let mut connections = self.connections.lock();
        connections.drains = true;
        connections.known.values().for_each(|known| known.word.tell(Told::Drain));
    }

    /// Looks at the connections now and then, for ever. A connection may end late by the time that it has, and by two seconds
    /// at most: one look notes what it did last, another one that it has waited.
    pub(crate) async fn look_after(&self) {
        let (least, most) = LOOKS;
        loop {
            match self.look(Instant::now()) {
                Some(shortest) => tokio::time::sleep((shortest / 2).clamp(least, most)).await,
                None => self.entered.notified().await,
            }
        }
    }

    /// Ends the connections whose clients are too slow. The least patience that there is with one of them all.
    fn look(&self, now: Instant) -> Option<Duration> {
        let mut connections = self.connections.lock();
        for known in connections.known.values_mut() {
            if known.is_exhausted(now) {
                known.word.tell(Told::End);
            }
        }
        connections.known.values().map(|known| known.patience.head.min(known.patience.idle)).min()
    }
}

impl Known {
    fn is_exhausted(&mut self, now: Instant) -> bool {
        let served = self.activity.served();
        if self.activity.is_busy() || served != self.served {
            (self.served, self.since) = (served, now);
            return false;
        }
        match self.activity.head_began() {
            // That of a request behind another one waits for its turn first.
            Some(began) => now.saturating_duration_since(began.max(self.since)) >= self.patience.head,
            None => now.saturating_duration_since(self.since) >= self.patience.idle,
        }
    }
}

impl Word {
    fn tell(&self, word: Told) {
        self.told.fetch_max(word as u8, Release);
        if let Some(waker) = &*self.waker.lock() {
            waker.wake_by_ref();
        }
    }
}

impl Watched {
    /// What the connection is told. The task that asks first is woken when that changes: it is to be the only one.
    pub(super) fn told(&mut self, cx: &Context<'_>) -> Told {
        if !self.is_reachable {
            *self.word.waker.lock() = Some(cx.waker().clone());
            self.is_reachable = true;
        }
        match self.word.told.load(Acquire) {
            told if told == Told::Nothing as u8 => Told::Nothing,
            told if told == Told::Drain as u8 => Told::Drain,
            _ => Told::End,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.connections.lock().known.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { head: Duration::from_secs(1), idle: Duration::from_secs(10) };

    fn told(watched: &mut Watched) -> Told {
        watched.told(&Context::from_waker(Waker::noop()))
    }

    /// A connection, and what it was told so many seconds after it came.
    struct Looked {
        watch: Arc<Watch>,
        activity: Arc<Activity>,
        watched: Watched,
        start: Instant,
    }

    impl Looked {
        fn at(patience: Patience) -> Self {
            let (watch, activity) = (Arc::new(Watch::default()), Arc::new(Activity::new()));
            let watched = watch.enter(activity.clone(), patience);
            Self { watch, activity, watched, start: Instant::now() }
        }

        fn after(&mut self, seconds: u64) -> Told {
            self.watch.look(self.start + Duration::from_secs(seconds));
            told(&mut self.watched)
        }
    }

    #[test]
    fn a_connection_is_idle_from_when_its_last_request_was_seen() {
        let mut connection = Looked::at(PATIENCE);
        assert_eq!(connection.after(9), Told::Nothing);
        let busy = connection.activity.begin();
        assert_eq!(connection.after(100), Told::Nothing);
        drop(busy);
        assert_eq!(connection.after(109), Told::Nothing);
        drop(connection.activity.begin());
        assert_eq!(connection.after(118), Told::Nothing);
        assert_eq!(connection.after(127), Told::Nothing);
        assert_eq!(connection.after(128), Told::End);
    }

    #[test]
    fn a_head_behind_a_request_waits_for_its_turn() {
        let mut connection = Looked::at(PATIENCE);
        let busy = connection.activity.begin();
        connection.activity.set_in_head(true);
        assert_eq!(connection.after(100), Told::Nothing);
        drop(busy);
        assert_eq!(connection.after(100), Told::Nothing);
        assert_eq!(connection.after(101), Told::End);
    }

    #[test]
    fn without_patience_a_request_is_served_yet() {
        let mut connection = Looked::at(Patience { idle: Duration::ZERO, ..PATIENCE });
        let busy = connection.activity.begin();
        assert_eq!(connection.after(1), Told::Nothing);
        drop(busy);
        assert_eq!(connection.after(1), Told::End);
    }

    #[test]
    fn a_head_has_less_time() {
        let mut connection = Looked::at(PATIENCE);
        connection.activity.set_in_head(true);
        assert_eq!(connection.after(0), Told::Nothing);
        assert_eq!(connection.after(2), Told::End);
    }

    #[test]
    fn who_comes_while_it_drains_is_told_too_and_who_has_gone_is_forgotten() {
        let watch = Arc::new(Watch::default());
        let enter = || watch.enter(Arc::new(Activity::new()), PATIENCE);
        let mut early = enter();
        assert_eq!(told(&mut early), Told::Nothing);
        watch.drain();
        let mut late = enter();
        assert_eq!([told(&mut early), told(&mut late)], [Told::Drain; 2]);
        assert_eq!(watch.look(Instant::now()), Some(PATIENCE.head));
        drop((early, late));
        assert_eq!(watch.look(Instant::now()), None);
    }
}
