//! Queues between plugins, and between the instances of one. They need the operator's grant.
//!
//! First in, first out; an item is given out once. Nothing here waits for an item.

use crate::bindings::imports::wasm_host::plugin::queue;

pub use queue::QueueError;

/// Puts an item behind those that are there.
pub fn enqueue(queue: &str, item: impl AsRef<[u8]>) -> Result<(), QueueError> {
    queue::enqueue(queue, item.as_ref())
}

/// Takes the oldest item; none when there is none.
pub fn dequeue(queue: &str) -> Result<Option<Vec<u8>>, QueueError> {
    queue::dequeue(queue)
}

/// Takes the oldest items, up to so many.
pub fn dequeue_many(queue: &str, max: u32) -> Result<Vec<Vec<u8>>, QueueError> {
    queue::dequeue_many(queue, max)
}

/// How many items there are.
pub fn length(queue: &str) -> Result<u32, QueueError> {
    queue::length(queue)
}
