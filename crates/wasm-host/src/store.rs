//! One instance: a store with its guest, and a call of it within its limits.

mod calls;
mod command;
mod core_state;
mod host;
mod places;
mod sources;
mod stdio;
mod wasi;
mod wasi_http;

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use wasmtime::{Engine, Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;

pub(crate) use self::{
    command::run_command,
    host::{HostState, HostStop, Link, Message, PluginContext},
    places::Places,
    sources::Sources,
};
use self::{host::HOST_RESOURCES, places::NoPlace};
use crate::{
    Failure, FailureClass,
    abi::{BoxFuture, Declared, Guest, GuestError, GuestPre, GuestResult, HostStore},
    compute::{Computed, Underway},
    message::{ExchangeState, Phase},
    meter::Overrun,
    metrics::Took,
    pool::Permit,
};

/// One live store with its guest.
pub(crate) struct Instance {
    store: HostStore,
    guest: Box<dyn Guest>,
    link: Arc<Link>,
    /// The guest is told when it goes.
    cleans_up: bool,
    /// An error that the guest returns leaves it as it was.
    outlives_errors: bool,
    pub(crate) created: Instant,
    pub(crate) uses: u32,
    /// The last field: its place is left when the guest is gone.
    pub(crate) permit: Permit,
}

/// The exchange's state is in the guest's reach. When the call is cancelled, it is taken from what is left of the instance.
struct Lent<'a> {
    link: Arc<Link>,
    state: &'a mut Option<Box<ExchangeState>>,
    is_back: bool,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if !self.is_back {
            *self.state = self.link.left_behind.lock().take();
        }
    }
}

/// What came of making an instance.
pub(crate) enum Startup {
    Failed(Failure),
    ConfigRefused(String),
}

impl Instance {
    /// Instantiates and configures a guest.
    pub(crate) async fn start(
        engine: &Engine,
        plugin: &Arc<PluginContext>,
        pre: &dyn GuestPre,
    ) -> Result<Box<Self>, Startup> {
        let link = Link::new(plugin);
        let mut store = open(engine, plugin, &link).map_err(|full| Startup::Failed(saturated(&full)))?;

        let startup = plugin.limits.startup;
        refuel(&mut store, Phase::Configure);
        link.meter.start(startup, startup);
        let guest = link.meter.drive(pre.instantiate(&mut store)).await;
        let guest = match guest {
            Ok(Ok(guest)) => guest,
            Ok(Err(error)) => {
                let failure = classify(&error, store.data_mut());
                store.data_mut().end_call(Phase::Configure);
                return Err(late(failure, startup));
            }
            Err(overrun) => return Err(late(overrun.into(), startup)),
        };
        let (cleans_up, outlives_errors) = (pre.cleans_up(), pre.outlives_errors());
        let permit = Permit::none(&plugin.gate);
        let instance =
            Self { store, guest, link, cleans_up, outlives_errors, created: Instant::now(), uses: 0, permit };
        let mut instance = Box::new(instance);
        if pre.phases().configure {
            let left = startup.saturating_sub(instance.took().duration);
            let configured;
            (instance, configured) =
                instance.call_within((left, left), Phase::Configure, |guest, store| guest.configure(store)).await;
            match configured {
                Ok(()) => {}
                Err(failure) if failure.class == FailureClass::GuestError => {
                    return Err(Startup::ConfigRefused(failure.message));
                }
                Err(failure) => return Err(late(failure, startup)),
            }
        }
        instance.uses = 0;
        Ok(instance)
    }

    /// Asks the guest what it wants to see, within the time for starting it.
    pub(crate) async fn declare(self: Box<Self>) -> Result<(Box<Self>, Declared), Failure> {
        let startup = self.store.data().plugin.limits.startup;
        let (mut instance, declared) =
            self.call_within((startup, startup), Phase::Configure, |guest, store| guest.declare(store)).await;
        instance.uses = 0;
        declared.map(|declared| (instance, declared))
    }

    /// Calls one phase of the guest for an exchange, within the plugin's limits. The exchange's state is in the
    /// guest's reach while the call lasts, and is back in `state` afterwards, however the call ended. When it is cancelled, the
    /// instance is gone.
    pub(crate) async fn call<T: Send + 'static>(
        mut self: Box<Self>,
        state: &mut Option<Box<ExchangeState>>,
        phase: Phase,
        call: impl GuestCall<T>,
    ) -> (Box<Self>, Result<T, Failure>) {
        let limits = &self.store.data().plugin.limits;
        let deadlines = (limits.cpu, limits.wall);
        self.store.data_mut().exchange = state.take();
        let mut lent = Lent { link: Arc::clone(&self.link), state, is_back: false };
        let (mut instance, result) = self.call_linked(&lent.link, deadlines, phase, call).await;
        lent.is_back = true;
        *lent.state = instance.store.data_mut().exchange.take();
        (instance, result)
    }

    async fn call_within<T: Send + 'static>(
        self: Box<Self>,
        deadlines: (Duration, Duration),
        phase: Phase,
        call: impl GuestCall<T>,
    ) -> (Box<Self>, Result<T, Failure>) {
        let link = Arc::clone(&self.link);
        self.call_linked(&link, deadlines, phase, call).await
    }

    /// One call of the guest whose `link` this is: the instance may be on another thread meanwhile.
    async fn call_linked<T: Send + 'static>(
        mut self: Box<Self>,
        link: &Arc<Link>,
        (cpu, wall): (Duration, Duration),
        phase: Phase,
        call: impl GuestCall<T>,
    ) -> (Box<Self>, Result<T, Failure>) {
        self.uses = self.uses.saturating_add(1);
        self.store.data_mut().begin_call();
        refuel(&mut self.store, phase);
        self.store.set_epoch_deadline(1);
        let computes = self.store.data().plugin.computing.contains(phase);
        link.meter.start(cpu, wall);
        let underway = Box::pin(async move {
            let Self { store, guest, link, .. } = &mut *self;
            if computes {
                // It has waited for a thread, and is looked at before it computes: it may be late.
                link.meter.go_on();
            }
            let outcome = link.meter.drive(call(&mut **guest, store)).await;
            (self, outcome)
        });
        let (mut instance, outcome) = drive(underway, link, computes).await;
        instance.store.data().plugin.computing.learn(phase, link.meter.has_computed());
        let outcome = instance.end_call(phase, outcome);
        (instance, outcome)
    }

    fn end_call<T>(&mut self, phase: Phase, outcome: Result<GuestResult<T>, Overrun>) -> Result<T, Failure> {
        let state = self.store.data_mut();
        let outcome = match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(GuestError::Wasm(error))) => Err(classify(&error, state)),
            Ok(Err(GuestError::Declared(words))) => {
                Err(Failure::new(FailureClass::GuestError, state.plugin.config.redact(&words)))
            }
            Ok(Err(GuestError::Invalid(message))) => {
                Err(Failure::new(FailureClass::InvalidOutput, state.plugin.config.redact_secrets(&message)))
            }
            Err(overrun) => Err(overrun.into()),
        };
        state.end_call(phase);
        outcome
    }

    /// Ends an instance whose calls all returned. A guest that cleans up is told, on a task of its own that has the time
    /// of a call and keeps its place; outside of a tokio runtime it is not told.
    pub(crate) fn retire(self: Box<Self>) {
        if !self.cleans_up {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let limits = &self.store.data().plugin.limits;
            let times = (limits.cpu, limits.wall);
            let (instance, ended) =
                self.call_within(times, Phase::Configure, |guest, store| guest.clean_up(store)).await;
            if let Err(failure) = ended {
                let plugin = &*instance.store.data().plugin.name;
                tracing::warn!(plugin, class = failure.class.as_str(), "plugin failed as it went: {}", failure.message);
            }
        });
    }

    /// Whether the guest can serve on after a call that came to this.
    pub(crate) fn is_whole_after<T>(&self, result: &Result<T, Failure>) -> bool {
        match result {
            Ok(_) => true,
            Err(failure) => self.outlives_errors && failure.class == FailureClass::GuestError,
        }
    }

    /// How long the last call took, or has taken.
    pub(crate) fn took(&self) -> Took {
        self.link.meter.took()
    }

    /// Whether the guest holds nothing of the host that no limit of memory counts.
    pub(crate) fn holds_nothing(&mut self) -> bool {
        let state = self.store.data_mut();
        state.responses_held == 0 && !state.holds_http()
    }

    /// Bytes of linear memory the instance has now.
    pub(crate) fn memory(&self) -> u64 {
        self.store.data().limiter.memory()
    }
}

/// A call of a guest. It may go on on another thread than it began on.
pub(crate) trait GuestCall<T>:
    for<'a> FnOnce(&'a mut dyn Guest, &'a mut HostStore) -> BoxFuture<'a, GuestResult<T>> + Send + 'static
{
}

impl<T, C> GuestCall<T> for C where
    C: for<'a> FnOnce(&'a mut dyn Guest, &'a mut HostStore) -> BoxFuture<'a, GuestResult<T>> + Send + 'static
{
}

/// Drives a call to its end, on this thread for as long as it does not compute and is not expected to.
async fn drive<T: Send + 'static>(mut underway: Underway<T>, link: &Arc<Link>, mut computes: bool) -> T {
    loop {
        if computes {
            let watched = Arc::clone(link);
            match link.compute.go_on(underway, link.meter.wall_left(), move || watched.meter.computes()).await {
                Computed::Done(output) => return output,
                Computed::Back(call) => underway = call,
            }
        }
        let done = poll_fn(|cx| match underway.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if link.meter.computes() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match done.await {
            Some(output) => return output,
            None => computes = true,
        }
    }
}

/// A store for one guest, which the meter stops.
fn open(engine: &Engine, plugin: &Arc<PluginContext>, link: &Arc<Link>) -> Result<HostStore, NoPlace> {
    let place = plugin.places.take()?;
    let mut store = Store::new(engine, HostState::new(Arc::clone(plugin), Arc::clone(link), place));
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(plugin.limits.hostcall_bytes);
    store.set_max_component_handles(HOST_RESOURCES);
    store.epoch_deadline_callback(|store| {
        let computes = store.data().link.meter.tick()?;
        Ok(if computes { UpdateDeadline::Yield(1) } else { UpdateDeadline::Continue(1) })
    });
    store.set_epoch_deadline(1);
    Ok(store)
}

/// Gives a call the steps that it may take.
fn refuel(store: &mut HostStore, phase: Phase) {
    if let Some(fuel) = store.data().plugin.limits.fuel {
        let fuel = if phase == Phase::Configure { u64::MAX } else { fuel };
        // Only code that counts is loaded under such a limit.
        let _ = store.set_fuel(fuel);
    }
}

fn saturated(reason: &dyn fmt::Display) -> Failure {
    Failure::new(FailureClass::Saturated, format!("the engine's instance pool is full: {reason}"))
}

/// A failed start. One that took too long is told with the limit that holds for all its steps together.
fn late(failure: Failure, startup: Duration) -> Startup {
    Startup::Failed(match failure.class {
        FailureClass::CpuDeadline | FailureClass::WallDeadline => {
            let message = format!("did not start within `limits.startup`, {startup:?}");
            Failure::new(FailureClass::WallDeadline, message)
        }
        _ => failure,
    })
}

impl From<Overrun> for Failure {
    fn from(overrun: Overrun) -> Self {
        let class = match overrun {
            Overrun::Cpu(_) => FailureClass::CpuDeadline,
            Overrun::Wall(_) => FailureClass::WallDeadline,
        };
        Self::new(class, overrun.to_string())
    }
}

/// Names the class of an error that ended a call, by type and never by text.
fn classify(error: &wasmtime::Error, state: &mut HostState) -> Failure {
    if let Some(overrun) = error.downcast_ref::<Overrun>() {
        return (*overrun).into();
    }
    if let Some(stop) = error.downcast_ref::<HostStop>() {
        return Failure::new(stop.class(), stop.to_string());
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return saturated(error);
    }
    if let Some(denied) = state.limiter.take_denied() {
        return Failure::new(FailureClass::Memory, denied);
    }
    if let (Some(Trap::OutOfFuel), Some(fuel)) = (error.downcast_ref::<Trap>(), state.plugin.limits.fuel) {
        return Failure::new(FailureClass::CpuDeadline, format!("took more than {fuel} steps, `limits.fuel`"));
    }
    if error.is::<Trap>() || error.is::<I32Exit>() {
        return Failure::new(FailureClass::Trap, describe_trap(error, state));
    }
    // What passed between guest and host was refused: too much of it, too many handles, not of its type.
    let bytes = state.plugin.limits.hostcall_bytes;
    let cause = error.root_cause().to_string();
    let cause = state.plugin.config.redact_secrets(&cause);
    let message = format!("a hostcall failed: {cause} (one may hand over `limits.hostcall_bytes`, {bytes} bytes)");
    Failure::new(FailureClass::Hostcall, message)
}

/// What an operator needs to find the fault: the trap, where it was, and the guest's last words.
fn describe_trap(error: &wasmtime::Error, state: &mut HostState) -> String {
    let mut text = place_of_trap(error);
    let words = state.take_stderr();
    let words = words.trim();
    if !words.is_empty() {
        text.push_str("; stderr: ");
        text.push_str(&state.plugin.config.redact(words));
    }
    text
}

/// The trap, and where it was.
fn place_of_trap(error: &wasmtime::Error) -> String {
    const FRAMES: usize = 3;
    let mut text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    if let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() {
        let names: Vec<_> = backtrace.frames().iter().filter_map(|frame| frame.func_name()).take(FRAMES).collect();
        if !names.is_empty() {
            text.push_str(" in ");
            text.push_str(&names.join(" < "));
        }
    }
    text
}
