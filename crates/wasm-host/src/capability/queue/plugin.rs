use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{QueueGrants, QueueId, QueueStore, QueueStoreError, QueueUse};
use crate::compute::home;

/// Bytes of a name.
const NAME_BYTES: usize = 128;

/// Why a queue was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QueueError {
    Denied,
    InvalidName,
    Full,
    TooLarge,
    TooMany,
    Unavailable(String),
}

/// The queues of one plugin: which it may use, and how many of its own it may make.
#[derive(Debug)]
pub(crate) struct PluginQueues {
    store: Arc<dyn QueueStore>,
    plugin: Arc<str>,
    grants: QueueGrants,
    /// Queues of its own that it may have.
    quota: usize,
    made: Mutex<HashSet<Box<str>>>,
}

impl PluginQueues {
    pub(crate) fn new(store: Arc<dyn QueueStore>, plugin: Arc<str>, grants: QueueGrants, quota: usize) -> Self {
        Self { store, plugin, grants, quota, made: Mutex::default() }
    }

    pub(crate) async fn enqueue(&self, name: &str, item: Vec<u8>) -> Result<(), QueueError> {
        let queue = self.queue(name, Some(QueueUse::Send))?;
        if queue.owner.is_some() {
            self.make(name)?;
        }
        Ok(self.store().await.enqueue(queue, Bytes::from(item)).await?)
    }

    pub(crate) async fn dequeue(&self, name: &str, max: usize) -> Result<Vec<Bytes>, QueueError> {
        let queue = self.queue(name, Some(QueueUse::Receive))?;
        Ok(self.store().await.dequeue(queue, max).await?)
    }

    pub(crate) async fn length(&self, name: &str) -> Result<usize, QueueError> {
        let queue = self.queue(name, None)?;
        Ok(self.store().await.length(queue).await?)
    }

    async fn store(&self) -> &dyn QueueStore {
        home().await;
        &*self.store
    }

    fn queue<'a>(&'a self, name: &'a str, wanted: Option<QueueUse>) -> Result<QueueId<'a>, QueueError> {
        let shared = self.grants.shared.get(name);
        if !self.grants.own && shared.is_none() {
            return Err(QueueError::Denied);
        }
        if name.is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
            return Err(QueueError::InvalidName);
        }
        match (shared, wanted) {
            (Some(granted), Some(wanted)) if !granted.allows(wanted) => Err(QueueError::Denied),
            (Some(_), _) => Ok(QueueId { owner: None, name }),
            (None, _) => Ok(QueueId { owner: Some(&*self.plugin), name }),
        }
    }

    /// Counts a name of the plugin's own, for good: the names of queues are few and known.
    fn make(&self, name: &str) -> Result<(), QueueError> {
        let mut made = self.made.lock();
        if made.contains(name) {
            return Ok(());
        }
        if made.len() >= self.quota {
            return Err(QueueError::TooMany);
        }
        made.insert(name.into());
        Ok(())
    }
}

impl From<QueueStoreError> for QueueError {
    fn from(error: QueueStoreError) -> Self {
        match error {
            QueueStoreError::Full => Self::Full,
            QueueStoreError::TooLarge => Self::TooLarge,
            QueueStoreError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryQueues;

    fn queues(store: &Arc<MemoryQueues>, plugin: &str, own: bool, shared: &[(&str, QueueUse)]) -> PluginQueues {
        let shared = shared.iter().map(|(name, usage)| ((*name).to_owned(), *usage)).collect();
        let store = Arc::clone(store) as Arc<dyn QueueStore>;
        PluginQueues::new(store, plugin.into(), QueueGrants { own, shared }, 2)
    }

    #[tokio::test]
    async fn each_may_do_what_it_is_granted() {
        let store = Arc::default();
        let sender = queues(&store, "sender", false, &[("jobs", QueueUse::Send)]);
        let receiver = queues(&store, "receiver", true, &[("jobs", QueueUse::Receive)]);
        assert_eq!(sender.enqueue("jobs", b"a".to_vec()).await, Ok(()));
        assert_eq!(sender.dequeue("jobs", 1).await, Err(QueueError::Denied));
        assert_eq!(sender.enqueue("other", Vec::new()).await, Err(QueueError::Denied));
        assert_eq!(receiver.enqueue("jobs", Vec::new()).await, Err(QueueError::Denied));
        assert_eq!((sender.length("jobs").await, receiver.length("jobs").await), (Ok(1), Ok(1)));
        assert_eq!(receiver.dequeue("jobs", 9).await, Ok(vec![Bytes::from("a")]));
    }

    #[tokio::test]
    async fn queues_of_its_own_are_nobody_elses() {
        let store = Arc::default();
        let [one, other] = ["one", "other"].map(|plugin| queues(&store, plugin, true, &[]));
        assert_eq!(one.enqueue("jobs", b"a".to_vec()).await, Ok(()));
        assert_eq!(other.dequeue("jobs", 1).await, Ok(Vec::new()));
        assert_eq!(one.enqueue("more", Vec::new()).await, Ok(()));
        assert_eq!(one.enqueue("most", Vec::new()).await, Err(QueueError::TooMany));
        assert_eq!(one.enqueue("jobs", b"b".to_vec()).await, Ok(()));
        assert_eq!(one.length("never-used").await, Ok(0));
    }

    #[tokio::test]
    async fn a_name_is_a_short_text() {
        let queues = queues(&Arc::default(), "p", true, &[]);
        for name in ["", "a\0b", "a\nb", &"q".repeat(129)] {
            assert_eq!(queues.enqueue(name, Vec::new()).await, Err(QueueError::InvalidName), "{name:?}");
        }
        assert_eq!(queues.enqueue("../a b/ü", Vec::new()).await, Ok(()));
    }
}
