//! How many connections a worker has.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Connections of one worker, counted so that draining can wait for the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Living(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    connections: AtomicUsize,
    none_left: Notify,
}

/// One of the counted; drop it when the connection is over.
#[derive(Debug)]
pub(crate) struct Alive(Arc<Count>);

impl Living {
    pub(crate) fn enter(&self) -> Alive {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        Alive(self.0.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Waits until nothing is counted any more.
    pub(crate) async fn none(&self) {
        while self.count() > 0 {
            self.0.none_left.notified().await;
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if self.0.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.none_left.notify_one();
        }
    }
}
