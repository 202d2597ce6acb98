mod admission;
mod core;
mod failures;
mod ledger;
mod read;
mod settling;
mod stage;
mod types;

use std::{
    fmt, mem,
    sync::{Arc, LazyLock},
};

use http::{HeaderMap, Method, Request, Response, StatusCode, header, request::Parts};
use tokio::{runtime::Handle, sync::Semaphore};

use self::{
    core::{PhaseCall, Ran, Shared},
    failures::Retries,
    read::{Direction, Read, Reader},
};
pub use self::{
    ledger::DecisionLog,
    read::{BodyLate, CutByPlugin},
    types::{Decision, ErrorOutcome, RequestOutcome, Summary, UpstreamFailure, UpstreamFailureKind},
};
pub(crate) use self::{
    ledger::report,
    types::{ExchangeEnd, GuestFailure},
};
use crate::{
    Body, BodyMode, ExchangeFacts, Failure, Phase, Phases, Plugin, PluginChain, Routing,
    abi::{BoxFuture, Guest, GuestResult, HostStore},
    message::{Action, ExchangeState},
};

/// Complete phases that may run at one moment beside the requests. Those over it are skipped and logged.
const COMPLETING: usize = 1024;

/// One request and its response on their way through a chain, with the instances that serve them.
///
/// The order of calls: [`on_request`](Self::on_request) once; [`on_error`](Self::on_error) when the upstream
/// failed; [`on_response`](Self::on_response) with the answer, whoever made it; at the end
/// [`complete`](Self::complete) or [`finish`](Self::finish).
///
/// The bodies that come out of it may flow through plugins. They keep what they need of the exchange, and are to be
/// polled within its runtime. The calls of one exchange take turns: a body whose poll was pending is to be polled on, or
/// dropped, before another phase can begin. Dropping the exchange, a body, or one of the futures discards the instances it holds and
/// leaks nothing.
pub struct Exchange {
    shared: Arc<Shared>,
    /// Of the request as the client sent it.
    method: Method,
    routing: Routing,
    retries: Retries,
}

impl Exchange {
    pub(crate) fn new(chain: PluginChain, facts: ExchangeFacts) -> Self {
        Self {
            shared: Arc::new(Shared::new(chain, facts)),
            method: Method::GET,
            routing: Routing::default(),
            retries: Retries::default(),
        }
    }

    /// Runs the request phases of each plugin, in the chain's order, until one answers or fails closed. A plugin that
    /// reads the body ahead is waited for.
    pub fn on_request(&mut self, request: Request<Body>) -> impl Future<Output = RequestOutcome> + Send {
        async move {
            let (parts, body) = request.into_parts();
            self.method = parts.method.clone();
            let state = ExchangeState::boxed(Arc::clone(&self.shared.facts), parts);
            self.show_request(state, body).await
        }
    }

    async fn show_request(&mut self, state: Box<ExchangeState>, mut body: Body) -> RequestOutcome {
        let Self { shared, routing, retries, .. } = self;
        let shared = &*shared;
        let mut flows = false;
        let mut core = shared.core().await;
        core.begin(state);
        for index in 0..shared.chain().plugins().len() {
            core.reached = index + 1;
            if !core.is_for(shared, index) {
                core.passed = index + 1;
                continue;
            }
            let how = PhaseCall::headers(Phase::Request);
            let answer = match core.run(shared, index, how, |guest, store| guest.on_request(store)).await {
                Ran::Done(Action::Respond(response)) => Read::Respond(response),
                Ran::Closed(closed) => Read::Closed(closed),
                Ran::Done(Action::Continue) | Ran::Skipped | Ran::Bypassed => {
                    let reading = core.reading(shared, index, Phase::RequestBody);
                    if reading.mode == BodyMode::None {
                        core.passed = index + 1;
                        continue;
                    }
                    drop(core);
                    let read = Reader::new(shared, index, Direction::Request).read(reading, body).await;
                    core = shared.core().await;
                    read
                }
            };
            match answer {
                Read::On(next) => body = next,
                Read::Last(next) => {
                    body = next;
                    core.passed = index + 1;
                    break;
                }
                Read::Flows(next) => (body, flows) = (next, true),
                Read::Respond(response) => {
                    core.refused(shared, index);
                    return RequestOutcome::Respond(response.into_response());
                }
                Read::Closed(closed) => {
                    core.refused(shared, index);
                    drop(core);
                    return RequestOutcome::Respond(shared.answer_closed(closed, retries.attempts).await);
                }
                Read::Broken(error) => {
                    core.refused(shared, index);
                    drop(core);
                    return match shared.answer_if_cut(&error, retries.attempts).await {
                        Some(answer) => RequestOutcome::Respond(answer),
                        None => RequestOutcome::BodyFailed(error),
                    };
                }
            }
            core.passed = index + 1;
        }
        let phases = shared.chain().phases();
        let state = core.state(shared);
        routing.clone_from(&state.routing);
        if phases.error {
            retries.sent(&body);
        }
        RequestOutcome::Continue(Request::from_parts(release_request(state, phases, flows), body))
    }

    /// What plugins said about how the request is sent.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// The answer of a plugin's failure policy to a request whose body that plugin cut on its way to the upstream: what
    /// the client gets when sending the request has failed. At most once.
    pub async fn cut_request(&mut self) -> Option<Response<Body>> {
        self.shared.answer_last_cut(self.retries.attempts).await
    }

    /// Runs the response phases of the plugins that let the request pass, in reverse order. Each sees the response as
    /// the plugins behind it left it. A plugin that reads the body ahead is waited for.
    pub async fn on_response(&mut self, response: Response<Body>) -> Response<Body> {
        let phases = self.shared.chain().phases();
        if !phases.response && !phases.response_body {
            return response;
        }
        let shared = Arc::clone(&self.shared);
        let (parts, mut body) = response.into_parts();
        let mut flows = false;
        let mut core = shared.core().await;
        core.state(&shared).response = parts;
        for index in (0..core.passed).rev() {
            let how = PhaseCall::headers(Phase::Response);
            let ran = match core.take_cut(index) {
                Some(cut) => Ran::Closed(cut),
                None => core.run(&shared, index, how, |guest, store| guest.on_response(store)).await,
            };
            let read = match ran {
                Ran::Done(Action::Respond(response)) => Read::Respond(response),
                Ran::Closed(closed) => Read::Closed(closed),
                Ran::Done(Action::Continue) | Ran::Skipped | Ran::Bypassed => {
                    let reading = core.reading(&shared, index, Phase::ResponseBody);
                    if reading.mode == BodyMode::None {
                        continue;
                    }
                    let takes_whole = shared.chain().plugins().get(index).is_some_and(Plugin::takes_whole_messages);
                    if takes_whole && streams(&core.state(&shared).response.headers) {
                        core.pass_stream(&shared, index);
                        continue;
                    }
                    let status = core.state(&shared).response.status;
                    let is_left_out =
                        if takes_whole { status.is_informational() } else { !has_content(&self.method, status) };
                    if is_left_out {
                        // Who sends the response might state the length that the body announces, even if none is sent.
                        if core.skip_body(&shared, index, reading) {
                            body = Body::empty();
                        }
                        continue;
                    }
                    drop(core);
                    let read = Reader::new(&shared, index, Direction::Response).read(reading, body).await;
                    core = shared.core().await;
                    read
                }
            };
            let replaced = match read {
                Read::On(next) => {
                    body = self.content(core.state(&shared), next);
                    continue;
                }
                Read::Last(next) => {
                    body = self.content(core.state(&shared), next);
                    core.stopped(&shared, index);
                    break;
                }
                Read::Flows(next) => {
                    (body, flows) = (next, true);
                    continue;
                }
                Read::Respond(response) => response.into_response(),
                Read::Closed(closed) => {
                    drop(core);
                    let answered = shared.answer_closed(closed, self.retries.attempts).await;
                    core = shared.core().await;
                    answered
                }
                Read::Broken(error) => {
                    drop(core);
                    let answered = match shared.answer_if_cut(&error, self.retries.attempts).await {
                        Some(answer) => answer,
                        None => self.on_broken_response(&error).await,
                    };
                    core = shared.core().await;
                    answered
                }
            };
            let (parts, replaced) = replaced.into_parts();
            core.state(&shared).response = parts;
            core.over(&shared, index, Phase::ResponseBody);
            (body, flows) = (replaced, false);
        }
        core.responded(&shared);
        let state = core.state(&shared);
        let parts = if flows {
            state.response.clone()
        } else {
            mem::replace(&mut state.response, Response::new(()).into_parts().0)
        };
        Response::from_parts(parts, body)
    }

    /// The body of a response that a plugin has seen: none where the response has no content by what it now is.
    fn content(&self, state: &mut ExchangeState, body: Body) -> Body {
        let response = &mut state.response;
        if has_content(&self.method, response.status) {
            return body;
        }
        if response.status == StatusCode::NO_CONTENT {
            response.headers.remove(header::CONTENT_LENGTH);
        }
        Body::empty()
    }

    /// Runs the complete phase of the plugins that the request reached, and ends the exchange.
    pub async fn complete(self, summary: Summary) {
        if self.shared.chain().phases().complete {
            let end = Arc::new(ExchangeEnd { summary, decisions: self.decisions() });
            let mut core = self.shared.core().await;
            for index in (0..core.reached).rev() {
                let end = Arc::clone(&end);
                let how = PhaseCall { phase: Phase::Complete, headers_open: false };
                core.run(&self.shared, index, how, move |guest, store| on_complete(guest, store, Arc::clone(&end)))
                    .await;
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
        if !self.shared.chain().phases().complete {
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

    /// Ends the exchange: instances at rest go back to their pools, those of bodies under way at their end.
    pub fn finish(self) {
        self.shared.finish();
    }

    /// What each plugin did so far, in the order it was done. The pieces of one body are one decision.
    pub fn decisions(&self) -> Vec<Decision> {
        self.shared.ledger.decisions()
    }

    /// The same, for a log that is written when the bodies have ended.
    pub fn decision_log(&self) -> DecisionLog {
        DecisionLog::new(&self.shared.ledger)
    }

    /// The failures of plugins so far, in the order they happened.
    pub fn failures(&self) -> Vec<Failure> {
        self.shared.ledger.failures()
    }

    /// What plugins are told of the request.
    pub fn facts(&self) -> &ExchangeFacts {
        &self.shared.facts
    }
}

/// The request that goes to the upstream. Plugins that see its body flow, or its failure, can still read its headers;
/// those that see the response, its method and target.
fn release_request(state: &mut ExchangeState, phases: Phases, flows: bool) -> Parts {
    if flows || phases.error {
        return state.request.clone();
    }
    let mut left = Request::new(()).into_parts().0;
    if phases.follow_a_request() {
        left.method.clone_from(&state.request.method);
        left.uri.clone_from(&state.request.uri);
    }
    mem::replace(&mut state.request, left)
}

/// Whether a response has content (RFC 9110 6.4.1). After a switch of protocols the connection is no body.
fn has_content(method: &Method, status: StatusCode) -> bool {
    let is_tunnel = *method == Method::CONNECT && status.is_success();
    let is_bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) || status.is_informational();
    *method != Method::HEAD && !is_tunnel && !is_bodiless
}

/// Whether a response is one of events that come as they happen, and may never end.
fn streams(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["text/event-stream", "application/x-ndjson"].iter().any(|streamed| essence.eq_ignore_ascii_case(streamed))
}

fn on_complete<'a>(
    guest: &'a mut dyn Guest,
    store: &'a mut HostStore,
    end: Arc<ExchangeEnd>,
) -> BoxFuture<'a, GuestResult<()>> {
    Box::pin(async move { guest.on_complete(store, &end).await })
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("chain", self.shared.chain())
            .field("decisions", &self.decisions())
            .finish_non_exhaustive()
    }
}
