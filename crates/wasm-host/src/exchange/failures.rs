//! The error phase: plugins see what failed, and may answer in the host's place.

use std::sync::Arc;

use http::{Request, Response, StatusCode};

use super::{
    Exchange,
    core::{Closed, PhaseCall, Ran, Shared},
    types::{ErrorOutcome, GuestFailure, UpstreamFailure, UpstreamFailureKind},
};
use crate::{
    Body, BodyError, BodyLate, CutByPlugin, Failure, Phase, WatchedFailures,
    abi::{BoxFuture, Guest, GuestError, GuestResult, HostStore},
    message::ErrorAction,
};

/// Times that the plugins of one exchange may have its request sent again.
const RETRIES: u32 = 3;

/// What is needed to send the request again, besides its headers.
#[derive(Default)]
pub(super) struct Retries {
    body: Option<Body>,
    pub(super) attempts: u32,
}

impl Retries {
    /// The request is sent. Keeps its body, if that is all there.
    pub(super) fn sent(&mut self, body: &Body) {
        self.attempts = 1;
        self.body = body.try_clone();
    }

    fn next(&mut self) -> Option<Body> {
        let again = self.body.as_ref()?.try_clone();
        self.attempts += 1;
        if self.attempts > RETRIES {
            self.body = None;
        }
        again
    }
}

impl Exchange {
    /// Runs the error phase of the plugins that let the request pass and watch for such failures, in reverse order, until
    /// one answers or has the request sent again. The answer, or the host's own, is then passed to
    /// [`on_response`](Self::on_response). A plugin that fails here has no answer.
    pub async fn on_error(&mut self, failure: &UpstreamFailure) -> ErrorOutcome {
        let shown = GuestFailure {
            service: failure.service.clone(),
            plugin: None,
            kind: failure.kind.as_str(),
            message: failure.message.clone(),
            status: failure.status,
            attempts: self.retries.attempts,
            retryable: self.retries.body.is_some(),
        };
        let watches = |watched: WatchedFailures| match failure.kind {
            UpstreamFailureKind::Status => watched.server_errors,
            _ => watched.unreachable,
        };
        let passed = self.shared.core().await.passed;
        match show_failure(&self.shared, passed, shown, watches).await {
            Some(ErrorAction::Respond(response)) => ErrorOutcome::Respond(response.into_response()),
            Some(ErrorAction::Retry(service)) => {
                let named = |name: String| self.shared.facts.services.iter().find(|known| ***known == *name).cloned();
                self.routing.service = service.and_then(named).or_else(|| self.routing.service.take());
                let Some(body) = self.retries.next() else { return ErrorOutcome::Unanswered };
                let mut core = self.shared.core().await;
                let state = core.state(&self.shared);
                state.routing.clone_from(&self.routing);
                ErrorOutcome::Retry(Request::from_parts(state.request.clone(), body))
            }
            Some(ErrorAction::Continue) | None => ErrorOutcome::Unanswered,
        }
    }

    /// The upstream broke its response off while a plugin waited for it: nothing of it has been sent.
    pub(super) async fn on_broken_response(&mut self, error: &BodyError) -> Response<Body> {
        let (kind, status) = match error.is::<BodyLate>() {
            true => (UpstreamFailureKind::Timeout, StatusCode::GATEWAY_TIMEOUT),
            false => (UpstreamFailureKind::Reset, StatusCode::BAD_GATEWAY),
        };
        let failure = UpstreamFailure {
            service: self.routing.service.clone().or_else(|| self.shared.facts.service.clone()),
            kind,
            message: error.to_string(),
            status,
        };
        self.retries.body = None;
        match self.on_error(&failure).await {
            ErrorOutcome::Respond(response) => response,
            ErrorOutcome::Unanswered | ErrorOutcome::Retry(_) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status;
                response
            }
        }
    }
}

impl Shared {
    /// The answer to a plugin that failed closed: that of another plugin, or that of its policy.
    pub(super) async fn answer_closed(&self, closed: Box<Closed>, attempts: u32) -> Response<Body> {
        let Closed { index, response, failure } = *closed;
        self.on_plugin_failure(index, response.status(), &failure, attempts).await.unwrap_or(response)
    }

    /// The answer to the body that a plugin cut last, once.
    pub(super) async fn answer_last_cut(&self, attempts: u32) -> Option<Response<Body>> {
        let cut = self.core().await.cut.take()?;
        Some(self.answer_closed(cut, attempts).await)
    }

    /// The answer to a body that broke off, when a plugin broke it.
    pub(super) async fn answer_if_cut(&self, error: &BodyError, attempts: u32) -> Option<Response<Body>> {
        if error.is::<CutByPlugin>() { self.answer_last_cut(attempts).await } else { None }
    }

    /// Shows the failure of one plugin to those before it.
    async fn on_plugin_failure(
        &self,
        index: usize,
        status: StatusCode,
        failure: &Failure,
        attempts: u32,
    ) -> Option<Response<Body>> {
        let plugin = self.chain().plugins().get(index)?;
        let shown = GuestFailure {
            service: None,
            plugin: Some(Arc::clone(plugin.shared_name())),
            kind: "plugin",
            message: failure.to_string(),
            status,
            attempts,
            retryable: false,
        };
        match show_failure(self, index, shown, |watched| watched.plugins).await? {
            ErrorAction::Respond(response) => Some(response.into_response()),
            ErrorAction::Continue | ErrorAction::Retry(_) => None,
        }
    }
}

/// Asks the plugins before `end` that watch for it, the last first, until one has an answer. Boxed: most exchanges have no
/// use for the room that it takes.
fn show_failure<'a>(
    shared: &'a Shared,
    end: usize,
    failure: GuestFailure,
    watches: impl Fn(WatchedFailures) -> bool + Send + 'a,
) -> BoxFuture<'a, Option<ErrorAction>> {
    Box::pin(async move {
        if !shared.chain().phases().error {
            return None;
        }
        let failure = Arc::new(failure);
        let mut core = shared.core().await;
        for (index, plugin) in shared.chain().plugins().iter().enumerate().take(end).rev() {
            if !watches(plugin.watched()) {
                continue;
            }
            let (failure, facts) = (Arc::clone(&failure), Arc::clone(&shared.facts));
            let how = PhaseCall::headers(Phase::Error);
            let ran = core.run(shared, index, how, move |guest, store| {
                on_error(guest, store, Arc::clone(&failure), Arc::clone(&facts))
            });
            match ran.await {
                Ran::Done(ErrorAction::Continue) | Ran::Skipped | Ran::Bypassed | Ran::Closed(..) => {}
                Ran::Done(answer) => return Some(answer),
            }
        }
        None
    })
}

fn on_error<'a>(
    guest: &'a mut dyn Guest,
    store: &'a mut HostStore,
    failure: Arc<GuestFailure>,
    facts: Arc<crate::ExchangeFacts>,
) -> BoxFuture<'a, GuestResult<ErrorAction>> {
    Box::pin(async move {
        let action = guest.on_error(store, &failure).await?;
        let ErrorAction::Retry(service) = &action else { return Ok(action) };
        if !failure.retryable {
            return Err(GuestError::Invalid("asked for a retry of what is not `retryable`".into()));
        }
        if let Some(service) = service {
            if !store.data().plugin.grants.upstreams.contains(service) {
                let message = format!("asked for a retry on `{service}`, which `grants.upstreams` does not name");
                return Err(GuestError::Invalid(message));
            }
            if !facts.services.iter().any(|known| **known == **service) {
                return Err(GuestError::Invalid(format!("asked for a retry on `{service}`, which is no service")));
            }
        }
        Ok(action)
    })
}
