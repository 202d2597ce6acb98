//! One thread with its own runtime, sockets and upstream connections.

use std::{cell::Cell, net::TcpListener, sync::Arc, thread, time::Duration};

use tokio::sync::{oneshot, watch};

use crate::{
    error::Error,
    gateway::Gateway,
    listener::{self, Living, Watch},
    server::Shared,
};

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The number of the worker whose thread this is; one that no worker has on other threads.
pub(crate) fn current() -> usize {
    CURRENT.get()
}

/// What the connections of one worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: usize,
    pub(crate) living: Living,
    pub(crate) watch: Arc<Watch>,
    shared: Arc<Shared>,
}

impl Worker {
    /// The config as of now.
    pub(crate) fn gateway(&self) -> Arc<Gateway> {
        self.shared.gateway()
    }

    /// Becomes true when no new requests are to be taken.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.shared.draining()
    }
}

/// Starts worker number `id` on its sockets, one for each listener. The receiver resolves when it has ended.
pub(crate) fn start(id: usize, shared: Arc<Shared>, sockets: Vec<TcpListener>) -> Result<oneshot::Receiver<()>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Worker)?;
    let (ended, has_ended) = oneshot::channel();
    let worker = Arc::new(Worker { id, living: shared.living(id), watch: Arc::default(), shared });
    thread::Builder::new()
        .name(format!("worker-{id}"))
        .spawn(move || {
            CURRENT.set(id);
            runtime.block_on(run(&worker, sockets));
            // Connections that outlived the deadline go with the runtime.
            runtime.shutdown_timeout(Duration::ZERO);
            let _ = ended.send(());
        })
        .map_err(Error::Worker)?;
    Ok(has_ended)
}

async fn run(worker: &Arc<Worker>, sockets: Vec<TcpListener>) {
    for (index, socket) in sockets.into_iter().enumerate() {
        match listener::register(socket) {
            Ok(listener) => drop(tokio::spawn(listener::accept_loop(worker.clone(), listener, index))),
            Err(error) => tracing::error!(%error, "cannot use a listening socket"),
        }
    }
    let connections = worker.watch.clone();
    tokio::spawn(async move { connections.look_after().await });
    let mut draining = worker.draining();
    let _ = draining.wait_for(|draining| *draining).await;
    worker.watch.drain();
    let deadline = worker.shared.drain_deadline();
    if tokio::time::timeout_at(deadline.into(), worker.living.none()).await.is_err() {
        tracing::warn!(connections = worker.living.count(), "the drain deadline closes connections");
    }
}
