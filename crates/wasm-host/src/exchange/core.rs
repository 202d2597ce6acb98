//! What the phases of one exchange share, and a call of one plugin in one of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use futures_util::lock::{Mutex, MutexGuard};
use http::{Response, header};
use smallvec::SmallVec;
use tracing::Instrument;

use super::ledger::{Decided, Ledger, report};
use crate::{
    Body, BodyMode, BodyReading, ExchangeFacts, Failure, Outcome, Phase, Phases, Plugin, PluginChain,
    breaker::Probe,
    chain::{Consequence, consequence, tag},
    message::{ExchangeState, forget_coding},
    metrics::Took,
    store::{GuestCall, Instance},
};

/// One exchange, as its phases and the streams of its bodies share it.
pub(crate) struct Shared {
    pub(crate) facts: Arc<ExchangeFacts>,
    core: Mutex<Core>,
    pub(crate) ledger: Arc<Ledger>,
    /// No phase comes any more but the bodies that are under way.
    pub(super) finished: AtomicBool,
}

/// What one call at a time has.
pub(crate) struct Core {
    /// Absent before the first phase, and while a call has it.
    state: Option<Box<ExchangeState>>,
    pub(super) places: SmallVec<[Place; 1]>,
    /// The plugins that have let the request pass: they see the response.
    pub(crate) passed: usize,
    /// The plugins that the request has reached: they see how the exchange ended.
    pub(crate) reached: usize,
    /// The plugin that cut a body last.
    pub(crate) cut: Option<Box<Closed>>,
}

/// A plugin that failed, and what its policy answers.
pub(crate) struct Closed {
    pub(crate) index: usize,
    pub(crate) response: Response<Body>,
    pub(crate) failure: Failure,
}

/// What an exchange has of one plugin.
pub(super) struct Place {
    pub(super) instance: Option<Box<Instance>>,
    /// The plugin failed, or the exchange is none of those that it is for: it is not called.
    bypassed: bool,
    /// It has had a call that returned.
    called: bool,
    /// The instance was taken to probe the plugin, and has not been called.
    pub(super) probe: Option<Probe>,
    /// The phases that are still to come.
    pub(super) remaining: Phases,
}

/// What came of one phase of one plugin.
pub(crate) enum Ran<T> {
    /// The guest decided this.
    Done(T),
    /// The plugin has no such phase, or failed before.
    Skipped,
    /// It failed, and the message goes on without it.
    Bypassed,
    /// It failed, and its policy answers.
    Closed(Box<Closed>),
}

/// One call of a plugin, as far as the host decides about it.
#[derive(Clone, Copy)]
pub(crate) struct PhaseCall {
    pub(crate) phase: Phase,
    /// Whether the headers of the message have not been sent.
    pub(crate) headers_open: bool,
}

impl PhaseCall {
    pub(crate) fn headers(phase: Phase) -> Self {
        Self { phase, headers_open: true }
    }
}

/// A call that came to no decision.
struct Failed {
    failure: Failure,
    /// False: the plugin's circuit is open.
    was_called: bool,
}

impl Shared {
    pub(crate) fn new(chain: PluginChain, facts: ExchangeFacts) -> Self {
        let places = chain.plugins().iter().map(|plugin| Place {
            instance: None,
            bypassed: false,
            called: false,
            probe: None,
            remaining: plugin.phases(),
        });
        let core = Core { state: None, places: places.collect(), passed: 0, reached: 0, cut: None };
        Self {
            facts: Arc::new(facts),
            core: Mutex::new(core),
            ledger: Arc::new(Ledger::new(chain)),
            finished: AtomicBool::new(false),
        }
    }

    pub(crate) fn chain(&self) -> &PluginChain {
        &self.ledger.chain
    }

    pub(crate) async fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().await
    }

    /// No phase comes any more: instances at rest go back to their pools, those of bodies under way follow.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Relaxed);
        if let Some(mut core) = self.core.try_lock() {
            core.settle_all(self);
        }
    }
}

impl Core {
    /// Begins the exchange with the request as it came.
    pub(crate) fn begin(&mut self, state: Box<ExchangeState>) {
        self.state = Some(state);
    }

    pub(crate) fn state(&mut self, shared: &Shared) -> &mut ExchangeState {
        self.state.get_or_insert_with(|| ExchangeState::blank(Arc::clone(&shared.facts)))
    }

    /// Calls one phase of one plugin, and deals with its failure.
    pub(crate) async fn run<T, C>(&mut self, shared: &Shared, index: usize, how: PhaseCall, call: C) -> Ran<T>
    where
        T: Decided + Send + 'static,
        C: GuestCall<T> + Clone,
    {
        let Some(plugin) = shared.chain().plugins().get(index) else { return Ran::Skipped };
        if !plugin.phases().has(how.phase) {
            return Ran::Skipped;
        }
        if self.place(index).bypassed {
            let is_body = matches!(how.phase, Phase::RequestBody | Phase::ResponseBody);
            let cut = if is_body { self.take_cut(index) } else { None };
            return cut.map_or(Ran::Skipped, Ran::Closed);
        }
        let mut retried = false;
        loop {
            let Failed { failure, was_called } =
                match self.call(shared, index, plugin, how, retried, call.clone()).await {
                    Ok(decision) => return Ran::Done(decision),
                    Err(failed) => failed,
                };
            if was_called {
                report(plugin, how.phase, &shared.facts, &failure);
            }
            let may_retry = was_called && how.headers_open && !retried && !self.place(index).called;
            match self.fail(shared, index, how.phase, failure, may_retry) {
                Some(ran) => return ran,
                None => retried = true,
            }
        }
    }

    /// The failure of a plugin that closed in the middle of one body, and has not been answered for: what it does not see
    /// any more must not pass as if it had.
    pub(crate) fn take_cut(&mut self, index: usize) -> Option<Box<Closed>> {
        self.cut.take_if(|cut| cut.index == index)
    }

    /// Deals with the failure of a plugin by its policy; none: it is to be called again on a fresh instance.
    pub(crate) fn fail<T>(
        &mut self,
        shared: &Shared,
        index: usize,
        phase: Phase,
        failure: Failure,
        may_retry: bool,
    ) -> Option<Ran<T>> {
        let Some(plugin) = shared.chain().plugins().get(index) else { return Some(Ran::Skipped) };
        shared.ledger.failed(failure.clone());
        let consequence = consequence(plugin, &failure, phase, may_retry);
        let place = self.place(index);
        place.instance = None;
        place.bypassed = !matches!(consequence, Consequence::Retry | Consequence::Ignore);
        match consequence {
            Consequence::Close(response) => return Some(Ran::Closed(Box::new(Closed { index, response, failure }))),
            Consequence::Ignore => self.state(shared).roll_back(),
            Consequence::Retry => {
                self.state(shared).roll_back();
                return None;
            }
            Consequence::Bypass => self.state(shared).roll_back(),
            Consequence::BypassTagged(name, value) => {
                let state = self.state(shared);
                state.roll_back();
                match phase {
                    Phase::Request | Phase::RequestBody => tag(&mut state.request.headers, name, value),
                    _ => tag(&mut state.response.headers, name, value),
                }
            }
        }
        Some(Ran::Bypassed)
    }

    /// A failure of a plugin that happened in no call of it: what it asked for could not be had.
    pub(crate) fn fail_uncalled<T>(&mut self, shared: &Shared, index: usize, phase: Phase, failure: Failure) -> Ran<T> {
        if let Some(plugin) = shared.chain().plugins().get(index) {
            report(plugin, phase, &shared.facts, &failure);
            shared.ledger.note(index, phase, Outcome::Failed(failure.class), Took::nothing());
            self.state(shared).begin_call(phase, 0, false);
        }
        self.fail(shared, index, phase, failure, false).unwrap_or(Ran::Bypassed)
    }

    /// One call, counted and observed.
    async fn call<T, C>(
        &mut self,
        shared: &Shared,
        index: usize,
        plugin: &Plugin,
        how: PhaseCall,
        fresh: bool,
        call: C,
    ) -> Result<T, Failed>
    where
        T: Decided + Send + 'static,
        C: GuestCall<T>,
    {
        let PhaseCall { phase, headers_open } = how;
        let undo_wanted = headers_open && (phase == Phase::Error || plugin.policy().may_keep_the_message());
        let state = self.state(shared);
        state.begin_call(phase, plugin.limits().header_bytes, undo_wanted);
        state.edits.headers_open = headers_open;
        let probe = match self.admit(index, plugin) {
            Ok(probe) => probe,
            Err(failure) => {
                shared.ledger.note(index, phase, Outcome::CircuitOpen, Took::nothing());
                return Err(Failed { failure, was_called: false });
            }
        };
        let span = tracing::debug_span!(
            "plugin",
            plugin = plugin.name(),
            phase = phase.as_str(),
            action = tracing::field::Empty
        );
        let (result, took) = match span.is_disabled() {
            true => self.call_instance(shared, index, plugin, phase, fresh, call).await,
            // Boxed: a future that is wrapped is copied.
            false => {
                let called = self.call_instance(shared, index, plugin, phase, fresh, call);
                Box::pin(called.instrument(span.clone())).await
            }
        };
        let outcome = match &result {
            Ok(decision) => decision.outcome(),
            Err(failure) => Outcome::Failed(failure.class),
        };
        span.record("action", outcome.as_str());
        shared.ledger.note(index, phase, outcome, took);
        match (plugin.breaker(), &result) {
            (Some(breaker), Ok(_)) => breaker.succeeded(probe),
            (Some(breaker), Err(failure)) => breaker.failed(probe, failure.class, Instant::now()),
            (None, _) => {}
        }
        result.map_err(|failure| Failed { failure, was_called: true })
    }

    /// One call on the exchange's instance of the plugin, which stays with the exchange when it is needed again.
    async fn call_instance<T: Send + 'static, C>(
        &mut self,
        shared: &Shared,
        index: usize,
        plugin: &Plugin,
        phase: Phase,
        fresh: bool,
        call: C,
    ) -> (Result<T, Failure>, Took)
    where
        C: GuestCall<T>,
    {
        let place = self.place(index);
        // When the call is cancelled, its instance is gone: a later phase gets another.
        let instance = match place.instance.take() {
            Some(instance) => Ok(instance),
            None if fresh => plugin.check_out_fresh().await,
            None => plugin.check_out().await,
        };
        let instance = match instance {
            Ok(instance) => instance,
            Err(failure) => return (Err(failure), Took::nothing()),
        };
        let (instance, result) = instance.call(&mut self.state, phase, call).await;
        let took = instance.took();
        if result.is_ok() {
            let place = self.place(index);
            place.called = true;
            place.instance = Some(instance);
            if !matches!(phase, Phase::RequestBody | Phase::ResponseBody | Phase::Error) {
                place.remaining.clear(phase);
            }
            self.settle(shared, index);
        } else if instance.is_whole_after(&result) {
            plugin.give_back(instance);
        }
        (result, took)
    }

    /// How the plugin reads the body of this message: as it said in the phase of the headers, or else as it declared.
    pub(crate) fn reading(&mut self, shared: &Shared, index: usize, phase: Phase) -> BodyReading {
        let said = self.state(shared).reading.take();
        let Some(plugin) = shared.chain().plugins().get(index) else { return BodyReading::default() };
        if !plugin.phases().has(phase) || self.place(index).bypassed {
            return BodyReading::default();
        }
        let reading = said.unwrap_or_else(|| plugin.reading(phase));
        if reading.mode == BodyMode::None {
            self.over(shared, index, phase);
        }
        reading
    }

    /// The response has no content by what it is. A length that it states is that of a body the plugin might change: true
    /// when it goes for that.
    pub(crate) fn skip_body(&mut self, shared: &Shared, index: usize, reading: BodyReading) -> bool {
        let response = &mut self.state(shared).response;
        let is_changed = reading.mode.may_change() && !response.status.is_informational();
        if is_changed {
            response.headers.remove(header::CONTENT_LENGTH);
            if reading.decode && matches!(reading.mode, BodyMode::Stream(_)) {
                forget_coding(&mut response.headers);
            }
        }
        self.over(shared, index, Phase::ResponseBody);
        is_changed
    }

    /// Whether the plugin is for this request. One that is not is not called in this exchange.
    pub(crate) fn is_for(&mut self, shared: &Shared, index: usize) -> bool {
        let Some(plugin) = shared.chain().plugins().get(index) else { return false };
        let is_for = plugin.scope().is_all() || plugin.scope().has(&self.state(shared).request, &shared.facts);
        if !is_for {
            self.place(index).bypassed = true;
        }
        is_for
    }

    #[expect(clippy::indexing_slicing, reason = "there is a place for each plugin of the chain")]
    pub(super) fn place(&mut self, index: usize) -> &mut Place {
        &mut self.places[index]
    }
}
