//! Guest → host: queues.

use bytes::Bytes;
use wasmtime::Result;

use super::bindings::wasm_host::plugin::queue::{self, QueueError};
use crate::{LogLevel, capability, store::HostState};

impl queue::Host for HostState {
    async fn enqueue(&mut self, queue: String, item: Vec<u8>) -> Result<Result<(), QueueError>> {
        self.count_hostcall()?;
        let sent = self.plugin.queues.enqueue(&queue, item).await;
        Ok(sent.map_err(|error| self.queue_error(error, "sending to", &queue)))
    }

    async fn dequeue(&mut self, queue: String) -> Result<Result<Option<Vec<u8>>, QueueError>> {
        Ok(self.receive(&queue, 1).await?.map(|items| items.into_iter().next()))
    }

    async fn dequeue_many(&mut self, queue: String, max: u32) -> Result<Result<Vec<Vec<u8>>, QueueError>> {
        self.receive(&queue, max as usize).await
    }

    async fn length(&mut self, queue: String) -> Result<Result<u32, QueueError>> {
        self.count_hostcall()?;
        let length = self.plugin.queues.length(&queue).await;
        Ok(length
            .map(|length| u32::try_from(length).unwrap_or(u32::MAX))
            .map_err(|error| self.queue_error(error, "the length of", &queue)))
    }
}

impl HostState {
    async fn receive(&mut self, queue: &str, max: usize) -> Result<Result<Vec<Vec<u8>>, QueueError>> {
        self.count_hostcall()?;
        let received = self.plugin.queues.dequeue(queue, max).await;
        Ok(received
            .map(|items| items.into_iter().map(Bytes::into).collect())
            .map_err(|error| self.queue_error(error, "receiving from", queue)))
    }

    fn queue_error(&mut self, error: capability::QueueError, what: &str, queue: &str) -> QueueError {
        use capability::QueueError as E;

        match error {
            E::Denied => {
                self.denied("queue", "grants.queues", &format!("{what} `{queue}`"));
                QueueError::Denied
            }
            E::InvalidName => QueueError::InvalidName,
            E::Full => QueueError::Full,
            E::TooLarge => QueueError::TooLarge,
            E::TooMany => QueueError::TooManyQueues,
            E::Unavailable(reason) => {
                self.log(LogLevel::Warn, "host", &format!("queue: unavailable: {reason}"));
                QueueError::Unavailable
            }
        }
    }
}
