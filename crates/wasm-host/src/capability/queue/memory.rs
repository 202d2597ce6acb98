use std::{
    collections::{HashMap, VecDeque},
    fmt,
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{QueueId, QueueStore, QueueStoreError};
use crate::capability::BoxFuture;

/// What one queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// Items. The default is 1,000.
    pub items: usize,
    /// Bytes of all items together. The default is 1 MiB.
    pub bytes: usize,
    /// Bytes of one item. The default is 64 KiB.
    pub item_bytes: usize,
}

impl Default for QueueBounds {
    fn default() -> Self {
        Self { items: 1000, bytes: 1 << 20, item_bytes: 64 << 10 }
    }
}

/// The default: keeps items in the memory of this process. They are lost when it ends.
///
/// A queue that is empty takes no memory.
#[derive(Default)]
pub struct MemoryQueues {
    bounds: QueueBounds,
    queues: Mutex<HashMap<Key, Items>>,
}

/// Owner and name.
type Key = (Option<Box<str>>, Box<str>);

#[derive(Default)]
struct Items {
    items: VecDeque<Bytes>,
    bytes: usize,
}

impl MemoryQueues {
    /// Queues that each have these bounds.
    pub fn new(bounds: QueueBounds) -> Self {
        Self { bounds, queues: Mutex::default() }
    }

    fn push(&self, queue: QueueId<'_>, item: Bytes) -> Result<(), QueueStoreError> {
        if item.len() > self.bounds.item_bytes {
            return Err(QueueStoreError::TooLarge);
        }
        let mut queues = self.queues.lock();
        let queue = queues.entry(key(queue)).or_default();
        if queue.items.len() >= self.bounds.items || queue.bytes.saturating_add(item.len()) > self.bounds.bytes {
            return Err(QueueStoreError::Full);
        }
        queue.bytes += item.len();
        queue.items.push_back(item);
        Ok(())
    }

    fn pop(&self, queue: QueueId<'_>, max: usize) -> Vec<Bytes> {
        let mut queues = self.queues.lock();
        let key = key(queue);
        let Some(queue) = queues.get_mut(&key) else { return Vec::new() };
        let taken: Vec<_> = queue.items.drain(..max.min(queue.items.len())).collect();
        queue.bytes -= taken.iter().map(Bytes::len).sum::<usize>();
        if queue.items.is_empty() {
            queues.remove(&key);
        }
        taken
    }
}

fn key(queue: QueueId<'_>) -> Key {
    (queue.owner.map(Into::into), queue.name.into())
}

impl QueueStore for MemoryQueues {
    fn enqueue<'a>(&'a self, queue: QueueId<'a>, item: Bytes) -> BoxFuture<'a, Result<(), QueueStoreError>> {
        let pushed = self.push(queue, item);
        Box::pin(std::future::ready(pushed))
    }

    fn dequeue<'a>(&'a self, queue: QueueId<'a>, max: usize) -> BoxFuture<'a, Result<Vec<Bytes>, QueueStoreError>> {
        // Taken when it is polled: what a dropped future took would be lost.
        Box::pin(async move { Ok(self.pop(queue, max)) })
    }

    fn length<'a>(&'a self, queue: QueueId<'a>) -> BoxFuture<'a, Result<usize, QueueStoreError>> {
        let length = self.queues.lock().get(&key(queue)).map_or(0, |queue| queue.items.len());
        Box::pin(std::future::ready(Ok(length)))
    }
}

impl fmt::Debug for MemoryQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueues").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: QueueId<'_> = QueueId { owner: None, name: "jobs" };

    #[test]
    fn first_in_first_out_and_each_once() {
        let queues = MemoryQueues::default();
        for item in ["a", "b", "c"] {
            assert_eq!(queues.push(JOBS, item.into()), Ok(()));
        }
        assert_eq!(queues.pop(QueueId { owner: Some("p"), ..JOBS }, 9), [""; 0]);
        assert_eq!(queues.pop(JOBS, 0), [""; 0]);
        assert_eq!(queues.pop(JOBS, 2), ["a", "b"]);
        assert_eq!(queues.pop(JOBS, 2), ["c"]);
        assert_eq!(queues.pop(JOBS, 2), [""; 0]);
        assert!(queues.queues.lock().is_empty());
    }

    #[test]
    fn a_queue_is_bounded_in_items_and_bytes() {
        let queues = MemoryQueues::new(QueueBounds { items: 3, bytes: 10, item_bytes: 8 });
        assert_eq!(queues.push(JOBS, vec![0; 9].into()), Err(QueueStoreError::TooLarge));
        assert_eq!(queues.push(JOBS, vec![0; 8].into()), Ok(()));
        assert_eq!(queues.push(JOBS, vec![0; 3].into()), Err(QueueStoreError::Full));
        assert_eq!(queues.push(JOBS, vec![0; 2].into()), Ok(()));
        assert_eq!(queues.push(JOBS, Bytes::new()), Ok(()));
        assert_eq!(queues.push(JOBS, Bytes::new()), Err(QueueStoreError::Full));
        assert_eq!(queues.pop(JOBS, 1).len(), 1);
        assert_eq!(queues.push(JOBS, vec![0; 8].into()), Ok(()));
    }

    #[test]
    fn items_are_given_out_once_however_many_receive() {
        let queues = MemoryQueues::default();
        for item in 0..1000_u32 {
            assert_eq!(queues.push(JOBS, item.to_be_bytes().to_vec().into()), Ok(()));
        }
        let received = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    loop {
                        let items = queues.pop(JOBS, 3);
                        if items.is_empty() {
                            return;
                        }
                        received.lock().extend(items);
                    }
                });
            }
        });
        let mut received = received.into_inner();
        received.sort();
        let sent: Vec<_> = (0..1000_u32).map(|item| Bytes::from(item.to_be_bytes().to_vec())).collect();
        assert_eq!(received, sent);
    }
}
