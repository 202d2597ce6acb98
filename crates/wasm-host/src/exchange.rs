mod types;

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use http::{Request, Response};
use tokio::{runtime::Handle, sync::Semaphore};
use tracing::Instrument;

pub use self::types::{Decision, RequestOutcome, Summary, UpstreamFailure, UpstreamFailureKind};
use crate::{
    Body, ExchangeFacts, Execution, Failure, Outcome, Phase, Plugin, PluginChain,
    abi::{BoxFuture, Guest, GuestResult, HostStore},
    chain::{Consequence, consequence, tag},
    message::{Action, ExchangeState},
    plugin::Seat,
};

/// Complete phases that may run at one moment beside the requests. Those over it are skipped and logged.
const COMPLETING: usize = 1024;

/// One request and its response on their way through a chain, with the instances that serve them.
///
/// The order of calls: [`on_request`](Self::on_request) once; [`on_error`](Self::on_error) when the upstream
/// failed; [`on_response`](Self::on_response) with the answer, whoever made it; at the end
/// [`complete`](Self::complete) or [`finish`](Self::finish). Dropping the exchange, or one of the futures, discards
/// the instances it holds and leaks nothing.
pub struct Exchange {
    chain: PluginChain,
    facts: Arc<ExchangeFacts>,
    /// Absent while a call has it, and after a call that was cancelled.
    state: Option<Box<ExchangeState>>,
    seats: Vec<Place>,
    /// The plugins that have let the request pass: they see the response.
    passed: usize,
    /// The plugins that the request has reached: they see how the exchange ended.
    reached: usize,
    decisions: Vec<Decision>,
    failures: Vec<Failure>,
}

/// What an exchange has of one plugin.
enum Place {
    /// Nothing yet.
    Empty,
    /// An instance at rest.
    Seated(Seat),
    /// The plugin failed, and is not called again.
    Bypassed,
}

/// What one plugin's phase means for the message.
enum Verdict {
    Continue,
    Respond(Response<Body>),
}

impl Exchange {
    pub(crate) fn new(chain: PluginChain, facts: ExchangeFacts) -> Self {
        let plugins = chain.plugins().len();
        let facts = Arc::new(facts);
        Self {
            chain,
            state: Some(Box::new(ExchangeState::new(Arc::clone(&facts)))),
            facts,
            seats: std::iter::repeat_with(|| Place::Empty).take(plugins).collect(),
            passed: 0,
            reached: 0,
            decisions: Vec::with_capacity(plugins),
            failures: Vec::new(),
        }
    }

    /// Runs the request phase of each plugin, in the chain's order, until one answers or fails closed.
    pub async fn on_request(&mut self, request: Request<Body>) -> RequestOutcome {
        let (parts, body) = request.into_parts();
        self.state().request = parts;
        for index in 0..self.seats.len() {
            self.reached = index + 1;
            match self.run(index, Phase::Request, |guest, store| guest.on_request(store)).await {
                Verdict::Continue => self.passed = index + 1,
                Verdict::Respond(response) => return RequestOutcome::Respond(response),
            }
        }
        let parts = std::mem::replace(&mut self.state().request, Request::new(()).into_parts().0);
        RequestOutcome::Continue(Request::from_parts(parts, body))
    }

    /// The service that a plugin chose for the request, if one did.
    pub fn chosen_service(&self) -> Option<&Arc<str>> {
        self.state.as_ref()?.upstream.as_ref()
    }

    /// Runs the response phase of the plugins that let the request pass, in reverse order. Each sees the response as
    /// the plugins behind it left it.
    pub async fn on_response(&mut self, response: Response<Body>) -> Response<Body> {
        if !self.chain.phases().response {
            return response;
        }
        let (parts, mut body) = response.into_parts();
        self.state().response = parts;
        for index in (0..self.passed).rev() {
            if let Verdict::Respond(response) =
                self.run(index, Phase::Response, |guest, store| guest.on_response(store)).await
            {
                let (parts, replaced) = response.into_parts();
                self.state().response = parts;
                body = replaced;
            }
        }
        let parts = std::mem::replace(&mut self.state().response, Response::new(()).into_parts().0);
        Response::from_parts(parts, body)
    }

    /// Runs the error phase of the plugins that let the request pass, in reverse order, until one answers. The
    /// answer, or the host's own, is then passed to [`on_response`](Self::on_response). A plugin that fails here has no
    /// answer.
    pub async fn on_error(&mut self, failure: &UpstreamFailure) -> Option<Response<Body>> {
        if !self.chain.phases().error {
            return None;
        }
        let failure = Arc::new(failure.clone());
        for index in (0..self.passed).rev() {
            let failure = Arc::clone(&failure);
            let verdict =
                self.run(index, Phase::Error, move |guest, store| on_error(guest, store, Arc::clone(&failure)));
            if let Verdict::Respond(response) = verdict.await {
                return Some(response);
            }
        }
        None
    }

    /// Runs the complete phase of the plugins that the request reached, and ends the exchange.
    pub async fn complete(mut self, summary: Summary) {
        if self.chain.phases().complete {
            for index in (0..self.reached).rev() {
                self.run(index, Phase::Complete, |guest, store| on_complete(guest, store, summary)).await;
            }
        }
        self.finish();
    }

    /// Like [`complete`](Self::complete), on a task of its own when there is something to run. At most 1024 exchanges
    /// complete in this way at one moment; further ones end without their complete phases, with a warning.
    ///
    /// Outside of a tokio runtime the complete phases are skipped, with a warning.
    pub fn complete_in_background(self, summary: Summary) {
        static COMPLETING_NOW: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(COMPLETING)));
        if !self.chain.phases().complete {
            return self.finish();
        }
        let place = Arc::clone(&COMPLETING_NOW).try_acquire_owned();
        match (place, Handle::try_current()) {
            (Ok(place), Ok(runtime)) => {
                runtime.spawn(async move {
                    self.complete(summary).await;
                    drop(place);
                });
            }
            (Err(_), _) => {
                tracing::warn!("complete phases skipped: {COMPLETING} exchanges are completing");
                self.finish();
            }
            (_, Err(_)) => {
                tracing::warn!("complete phases skipped: the exchange ended outside of a tokio runtime");
                self.finish();
            }
        }
    }

    /// Ends the exchange: its instances, all at rest, go back to their pools.
    pub fn finish(self) {
        for place in self.seats {
            if let Place::Seated(seat) = place {
                seat.give_back();
            }
        }
    }

    /// What each plugin did so far, in the order it was done.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// The failures of plugins so far, in the order they happened.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    fn state(&mut self) -> &mut ExchangeState {
        self.state.get_or_insert_with(|| Box::new(ExchangeState::new(Arc::clone(&self.facts))))
    }

    /// Calls one phase of one plugin, and deals with its failure.
    async fn run<C>(&mut self, index: usize, phase: Phase, call: C) -> Verdict
    where
        C: for<'a> Fn(&'a mut dyn Guest, &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>>,
    {
        let Some(plugin) = self.chain.plugins().get(index).cloned() else { return Verdict::Continue };
        if !plugin.phases().has(phase) || matches!(self.place(index), Place::Bypassed) {
            return Verdict::Continue;
        }
        let mut retried = false;
        loop {
            let failure = match self.call(index, &plugin, phase, retried, &call).await {
                Ok(Action::Continue) => return Verdict::Continue,
                Ok(Action::Respond(response)) => return Verdict::Respond(response.into_response()),
                Err(failure) => failure,
            };
            self.report(&plugin, phase, &failure);
            let consequence = consequence(&plugin, &failure, phase, retried);
            self.failures.push(failure);
            match consequence {
                Consequence::Close(response) => {
                    *self.place(index) = Place::Bypassed;
                    return Verdict::Respond(response);
                }
                Consequence::Ignore => {
                    *self.place(index) = Place::Bypassed;
                    return Verdict::Continue;
                }
                Consequence::Retry => {
                    self.state().roll_back();
                    retried = true;
                }
                Consequence::Bypass => {
                    self.bypass(index);
                    return Verdict::Continue;
                }
                Consequence::BypassTagged(name, value) => {
                    self.bypass(index);
                    let state = self.state();
                    match phase {
                        Phase::Request => tag(&mut state.request.headers, name, value),
                        _ => tag(&mut state.response.headers, name, value),
                    }
                    return Verdict::Continue;
                }
            }
        }
    }

    /// One call, counted and observed.
    async fn call<C>(
        &mut self,
        index: usize,
        plugin: &Plugin,
        phase: Phase,
        fresh: bool,
        call: C,
    ) -> Result<Action, Failure>
    where
        C: for<'a> FnOnce(&'a mut dyn Guest, &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>>,
    {
        let span = tracing::debug_span!(
            "plugin",
            plugin = plugin.name(),
            phase = phase.as_str(),
            action = tracing::field::Empty
        );
        let (result, duration) = self.call_seated(index, plugin, phase, fresh, call).instrument(span.clone()).await;
        let outcome = match &result {
            Ok(Action::Continue) => Outcome::Continue,
            Ok(Action::Respond(_)) => Outcome::Respond,
            Err(failure) => Outcome::Failed(failure.class),
        };
        span.record("action", outcome.as_str());
        plugin.counters().count(outcome);
        plugin.observer().executed(&Execution { phase, outcome, duration });
        self.decisions.push(Decision { plugin: Arc::clone(plugin.shared_name()), phase, outcome, duration });
        result
    }

    /// One call on the exchange's instance of the plugin, which stays with the exchange when it is needed again.
    async fn call_seated<C>(
        &mut self,
        index: usize,
        plugin: &Plugin,
        phase: Phase,
        fresh: bool,
        call: C,
    ) -> (Result<Action, Failure>, Duration)
    where
        C: for<'a> FnOnce(&'a mut dyn Guest, &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>>,
    {
        let undo_wanted = plugin.policy().may_keep_the_message();
        self.state().begin_call(phase, plugin.limits().header_bytes, undo_wanted);
        // Until the call returns: a plugin whose call was cancelled is not called again.
        let seat = match std::mem::replace(self.place(index), Place::Bypassed) {
            Place::Seated(seat) => Ok(seat),
            _ if fresh => plugin.check_out_fresh().await,
            _ => plugin.check_out().await,
        };
        let mut seat = match seat {
            Ok(seat) => seat,
            Err(failure) => return (Err(failure), Duration::ZERO),
        };
        let result = seat.instance.call(&mut self.state, phase, call).await;
        let duration = seat.instance.elapsed();
        if result.is_ok() {
            if plugin.phases().needed_after(phase) {
                *self.place(index) = Place::Seated(seat);
            } else {
                *self.place(index) = Place::Empty;
                seat.give_back();
            }
        }
        (result, duration)
    }

    #[expect(clippy::indexing_slicing, reason = "there is a place for each plugin of the chain")]
    fn place(&mut self, index: usize) -> &mut Place {
        &mut self.seats[index]
    }

    fn bypass(&mut self, index: usize) {
        *self.place(index) = Place::Bypassed;
        self.state().roll_back();
    }

    fn report(&mut self, plugin: &Plugin, phase: Phase, failure: &Failure) {
        tracing::warn!(
            plugin = plugin.name(),
            phase = phase.as_str(),
            class = failure.class.as_str(),
            exchange = self.facts.id,
            "plugin failed: {}",
            failure.message.escape_debug(),
        );
    }
}

fn on_error<'a>(
    guest: &'a mut dyn Guest,
    store: &'a mut HostStore,
    failure: Arc<UpstreamFailure>,
) -> BoxFuture<'a, GuestResult<Action>> {
    Box::pin(async move { guest.on_error(store, &failure).await })
}

fn on_complete<'a>(
    guest: &'a mut dyn Guest,
    store: &'a mut HostStore,
    summary: Summary,
) -> BoxFuture<'a, GuestResult<Action>> {
    Box::pin(async move { guest.on_complete(store, summary).await.map(|()| Action::Continue) })
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("chain", &self.chain)
            .field("decisions", &self.decisions)
            .finish_non_exhaustive()
    }
}
