use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A runtime on a thread of its own, for what must outlive the runtimes of its users. It ends when this is dropped.
pub(super) struct Home {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Home {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("redis".to_owned()).spawn(move || {
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { handle, _end: end })
    }

    /// Does something that may start tasks, timers and sockets here.
    pub(super) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _here = self.handle.enter();
        work()
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// The future, polled by its caller, but within this runtime.
    pub(super) fn at_home<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        let handle = self.handle.clone();
        async move {
            let mut future = pin!(future);
            std::future::poll_fn(move |cx: &mut Context<'_>| -> Poll<F::Output> {
                let _here = handle.enter();
                Pin::as_mut(&mut future).poll(cx)
            })
            .await
        }
    }
}
