use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redb::{Database, ReadableDatabase, ReadableTable};
use tokio::sync::oneshot;
use wasm_host::KvError;

use super::tables::{EXPIRIES, Now, Tables, unavailable};

/// Changes that wait for the disk at once. One more finds the store not available.
const QUEUE: usize = 4096;
/// Changes that go to disk together.
const BATCH: usize = 512;
/// How often expired pairs are looked for when nothing is written.
const SWEEP: Duration = Duration::from_secs(1);

/// The thread that changes the file. It ends when this is dropped, after the changes under way.
pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Changes the tables, and tells what came of it once it is known whether it is on disk.
type Job = Box<dyn FnOnce(&mut Tables<'_>) -> Done + Send>;

struct Done {
    /// The tables are half changed: nothing of this transaction may be kept.
    is_broken: bool,
    tell: Box<dyn FnOnce(Result<(), KvError>) + Send>,
}

impl Writer {
    pub(super) fn start(database: Arc<Database>, now: Now) -> io::Result<Self> {
        let (jobs, received) = sync_channel(QUEUE);
        let run = move || work_off(&database, &received, &now);
        let thread = thread::Builder::new().name("kv-redb".to_owned()).spawn(run)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Changes the tables on the thread. Returns when the change is on disk, or was refused.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, KvError> + Send + 'static,
    ) -> Result<T, KvError> {
        let (sender, told) = oneshot::channel();
        let job: Job = Box::new(move |tables| {
            let result = work(tables);
            let is_broken = matches!(result, Err(KvError::Unavailable { .. }));
            let tell = Box::new(move |committed: Result<(), KvError>| {
                let _ = sender.send(committed.and(result));
            });
            Done { is_broken, tell }
        });
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => told.await.map_err(|_| unavailable("the change was not made"))?,
            Some(Err(TrySendError::Full(_))) => Err(unavailable("the disk does not keep up")),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(unavailable("its thread has ended")),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work_off(database: &Database, received: &Receiver<Job>, now: &Now) {
    loop {
        let mut jobs = Vec::new();
        match received.recv_timeout(SWEEP) {
            Ok(job) => jobs.push(job),
            Err(RecvTimeoutError::Timeout) if has_expired(database, now()) => {}
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        }
        jobs.extend(received.try_iter().take(BATCH - jobs.len()));
        let mut done = Vec::with_capacity(jobs.len());
        let committed = commit(database, now(), jobs, &mut done);
        if let Err(error) = &committed {
            tracing::error!(%error, "the key-value store on disk cannot be changed");
        }
        done.into_iter().for_each(|done| (done.tell)(committed.clone()));
    }
}

/// One transaction of many changes.
fn commit(database: &Database, now: u64, jobs: Vec<Job>, done: &mut Vec<Done>) -> Result<(), KvError> {
    let transaction = database.begin_write().map_err(unavailable)?;
    let mut tables = Tables::open(&transaction).map_err(unavailable)?;
    tables.sweep(now)?;
    done.extend(jobs.into_iter().map(|job| job(&mut tables)));
    drop(tables);
    if done.iter().any(|done| done.is_broken) {
        transaction.abort().map_err(unavailable)?;
        return Err(unavailable("a change failed half done, and all that went with it was undone"));
    }
    transaction.commit().map_err(unavailable)
}

fn has_expired(database: &Database, now: u64) -> bool {
    let first = || -> Result<_, redb::Error> {
        let expiries = database.begin_read()?.open_table(EXPIRIES)?;
        Ok(expiries.first()?.map(|(key, _)| key.value().0))
    };
    first().is_ok_and(|first| first.is_some_and(|at| at <= now))
}
