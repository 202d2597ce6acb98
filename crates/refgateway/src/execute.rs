//! Runs commands that come with requests, off the threads that serve.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
};
use wasm_host::{Command, CommandError, CommandLimits, CommandOutput, Digest, PluginEngine};

use crate::{config, telemetry::metrics};

/// Commands whose code is at hand when they come again.
const RECENT: usize = 8;

/// Runs commands, so many at once.
pub(crate) struct Executor {
    engine: PluginEngine,
    limits: CommandLimits,
    concurrency: usize,
    places: Arc<Semaphore>,
    /// The ones that ran last, the latest at the end.
    recent: Arc<Mutex<Vec<Command>>>,
    /// Made for the first command.
    runtime: Mutex<Option<Runtime>>,
}

/// Leave to execute one command. It is held from before its module arrives until nothing of it is left.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Why a command came to no output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The module is no command that can run here.
    #[error(transparent)]
    Load(#[from] wasm_host::Error),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] CommandError),
    /// The thread that was to run it could not be had, or is gone.
    #[error("cannot execute: {0}")]
    Host(#[from] io::Error),
}

impl Executor {
    pub(crate) fn new(config: &config::Execute, engine: &PluginEngine) -> Self {
        let concurrency = config.concurrency().min(Semaphore::MAX_PERMITS);
        Self {
            engine: engine.clone(),
            limits: config.limits(),
            concurrency,
            places: Arc::new(Semaphore::new(concurrency)),
            recent: Arc::default(),
            runtime: Mutex::default(),
        }
    }

    pub(crate) fn limits(&self) -> &CommandLimits {
        &self.limits
    }

    /// How many places there are.
    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// A place, if one is free.
    pub(crate) fn enter(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _permit: permit })
    }

    /// Compiles a module and runs it once. Dropping the future stops the guest. A compilation goes on to its end, and the
    /// place is taken until then.
    pub(crate) async fn execute(&self, place: Place, module: Bytes, input: Bytes) -> Result<CommandOutput, Failed> {
        let (engine, limits, recent) = (self.engine.clone(), self.limits.clone(), Arc::clone(&self.recent));
        let (_waits, gone) = oneshot::channel::<()>();
        let task = self.handle()?.spawn(async move {
            let _place = place;
            let command = load(&engine, &recent, limits, module).await?;
            let begun = Instant::now();
            let ended = tokio::select! {
                biased;
                _ = gone => return Err(io::Error::other("nobody waits for it any more").into()),
                ended = command.run(input) => ended,
            };
            note(&command, &ended, begun.elapsed());
            Ok(ended?)
        });
        task.await.map_err(io::Error::other)?
    }

    fn handle(&self) -> io::Result<Handle> {
        let mut runtime = self.runtime.lock();
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let threads = self.concurrency.min(cores).max(1);
        let new = Builder::new_multi_thread().worker_threads(threads).thread_name("execute").enable_all().build()?;
        Ok(runtime.insert(new).handle().clone())
    }
}

impl Drop for Executor {
    /// Waits for nobody: it may be dropped within another runtime.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.get_mut().take() {
            runtime.shutdown_background();
        }
    }
}

async fn load(
    engine: &PluginEngine,
    recent: &Mutex<Vec<Command>>,
    limits: CommandLimits,
    module: Bytes,
) -> wasm_host::Result<Command> {
    let digest = Digest::of(&module);
    let known = {
        let mut recent = recent.lock();
        let place = recent.iter().position(|command| command.digest() == digest);
        place.map(|place| recent.remove(place))
    };
    let command = match known {
        Some(command) => command,
        None => Command::builder().bytes(module).limits(limits).transient().load(engine).await?,
    };
    let mut recent = recent.lock();
    if recent.iter().all(|other| other.digest() != digest) {
        recent.push(command.clone());
    }
    if recent.len() > RECENT {
        recent.remove(0);
    }
    Ok(command)
}

fn note(command: &Command, ended: &Result<CommandOutput, CommandError>, took: Duration) {
    let outcome = match ended {
        Ok(_) => "ok",
        Err(CommandError::Exit { .. }) => "exit",
        Err(CommandError::Limit { limit, .. }) => limit.as_str(),
        Err(CommandError::Saturated { .. }) => "saturated",
        Err(_) => "trap",
    };
    metrics::executed(outcome, took);
    tracing::info!(module = %command.digest(), outcome, ?took, "executed a command");
}
