//! Host → guest: each phase that the component exports.

use std::{sync::Arc, time::Duration};

use wasmtime::component::{InstancePre, Resource};

use super::{
    bindings::wasm_host::plugin::types::Action as WitAction,
    body::{action_of_body, piece_of, reading_of},
    phases,
};
use crate::{
    Decision, Phases, WatchedFailures,
    abi::{BoxFuture, Declared, Guest, GuestError, GuestPre, GuestResult, HostStore},
    error::one_line,
    exchange::{ExchangeEnd, GuestFailure},
    message::{Action, BodyAction, BodyPiece, ErrorAction},
    store::{HostState, HostStop},
};

pub(super) struct NativePre {
    pub(super) instance: InstancePre<HostState>,
    pub(super) configure: Option<phases::configure_phase::GuestIndices>,
    pub(super) request: Option<phases::request_phase::GuestIndices>,
    pub(super) request_body: Option<phases::request_body_phase::GuestIndices>,
    pub(super) response: Option<phases::response_phase::GuestIndices>,
    pub(super) response_body: Option<phases::response_body_phase::GuestIndices>,
    pub(super) error: Option<phases::error_phase::GuestIndices>,
    pub(super) complete: Option<phases::complete_phase::GuestIndices>,
    pub(super) tick: Option<phases::tick_phase::GuestIndices>,
}

impl GuestPre for NativePre {
    fn phases(&self) -> Phases {
        Phases {
            configure: self.configure.is_some(),
            request: self.request.is_some(),
            request_body: self.request_body.is_some(),
            response: self.response.is_some(),
            response_body: self.response_body.is_some(),
            error: self.error.is_some(),
            complete: self.complete.is_some(),
            tick: self.tick.is_some(),
        }
    }

    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>> {
        macro_rules! load {
            ($phase:ident, $store:ident, $instance:ident) => {
                self.$phase
                    .as_ref()
                    .map(|phase| phase.load(&mut *$store, &$instance))
                    .transpose()
                    .map_err(|error| HostStop::Misfit(one_line(&error)))?
            };
        }
        Box::pin(async move {
            let instance = self.instance.instantiate_async(&mut *store).await?;
            let guest = NativeGuest {
                configure: load!(configure, store, instance),
                request: load!(request, store, instance),
                request_body: load!(request_body, store, instance),
                response: load!(response, store, instance),
                response_body: load!(response_body, store, instance),
                error: load!(error, store, instance),
                complete: load!(complete, store, instance),
                tick: load!(tick, store, instance),
            };
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }
}

struct NativeGuest {
    configure: Option<phases::configure_phase::Guest>,
    request: Option<phases::request_phase::Guest>,
    request_body: Option<phases::request_body_phase::Guest>,
    response: Option<phases::response_phase::Guest>,
    response_body: Option<phases::response_body_phase::Guest>,
    error: Option<phases::error_phase::Guest>,
    complete: Option<phases::complete_phase::Guest>,
    tick: Option<phases::tick_phase::Guest>,
}

impl Guest for NativeGuest {
    fn configure<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async move {
            let Some(phase) = &self.configure else { return Ok(()) };
            let plugin = Arc::clone(&store.data().plugin);
            phase.call_configure(store, plugin.config.json()).await?.map_err(GuestError::Declared)
        })
    }

    fn declare<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Declared>> {
        Box::pin(async move {
            let mut declared = Declared::default();
            if let Some(phase) = &self.request_body {
                declared.request_body = reading_of(phase.call_declare_request_body(&mut *store).await?);
            }
            if let Some(phase) = &self.response_body {
                declared.response_body = reading_of(phase.call_declare_response_body(&mut *store).await?);
            }
            if let Some(phase) = &self.error {
                declared.failures = watched(phase.call_declare_failures(&mut *store).await?);
            }
            if let Some(phase) = &self.tick {
                let every = phase.call_declare_tick(&mut *store).await?;
                declared.tick = Some(Duration::from_millis(every.into()));
            }
            Ok(declared)
        })
    }

    fn on_request<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async move {
            let Some(phase) = &self.request else { return Ok(Action::Continue) };
            let action = phase.call_on_request(&mut *store, Resource::new_borrow(0)).await?;
            action_of(action.map_err(GuestError::Declared)?, store)
        })
    }

    fn on_request_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let Some(phase) = &self.request_body else { return Ok(BodyAction::Leave) };
            let action = phase.call_on_request_body(&mut *store, Resource::new_borrow(0), piece_of(&piece)).await?;
            action_of_body(action.map_err(GuestError::Declared)?, store)
        })
    }

    fn on_response<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async move {
            let Some(phase) = &self.response else { return Ok(Action::Continue) };
            let action = phase.call_on_response(&mut *store, Resource::new_borrow(0)).await?;
            action_of(action.map_err(GuestError::Declared)?, store)
        })
    }

    fn on_response_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let Some(phase) = &self.response_body else { return Ok(BodyAction::Leave) };
            let action = phase.call_on_response_body(&mut *store, Resource::new_borrow(0), piece_of(&piece)).await?;
            action_of_body(action.map_err(GuestError::Declared)?, store)
        })
    }

    fn on_error<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        failure: &'a GuestFailure,
    ) -> BoxFuture<'a, GuestResult<ErrorAction>> {
        use phases::error_phase::{ErrorAction as WitErrorAction, Failure};

        Box::pin(async move {
            let Some(phase) = &self.error else { return Ok(ErrorAction::Continue) };
            let failure = Failure {
                service: failure.service.as_deref(),
                plugin: failure.plugin.as_deref(),
                kind: failure.kind,
                message: &failure.message,
                status: failure.status.as_u16(),
                attempts: failure.attempts,
                retryable: failure.retryable,
            };
            match phase
                .call_on_error(&mut *store, Resource::new_borrow(0), failure)
                .await?
                .map_err(GuestError::Declared)?
            {
                WitErrorAction::Continue => Ok(ErrorAction::Continue),
                WitErrorAction::Respond(response) => {
                    Ok(ErrorAction::Respond(Box::new(store.data_mut().take_local_response(response)?)))
                }
                WitErrorAction::Retry(service) => Ok(ErrorAction::Retry(service)),
            }
        })
    }

    fn on_tick<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async move {
            let Some(phase) = &self.tick else { return Ok(()) };
            phase.call_on_tick(store).await?.map_err(GuestError::Declared)
        })
    }

    fn on_complete<'a>(&'a mut self, store: &'a mut HostStore, end: &'a ExchangeEnd) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async move {
            let Some(phase) = &self.complete else { return Ok(()) };
            let ExchangeEnd { summary, decisions } = end;
            let decisions: Vec<_> = decisions.iter().map(decision_of).collect();
            let summary = phases::complete_phase::Summary {
                status: summary.status.map(|status| status.as_u16()),
                duration_us: micros(summary.duration),
                response_start_us: summary.response_start.map(micros),
                request_bytes: summary.request_bytes,
                response_bytes: summary.response_bytes,
                finished: summary.finished,
                decisions: &decisions,
            };
            Ok(phase.call_on_complete(store, summary).await?)
        })
    }
}

fn action_of(action: WitAction, store: &mut HostStore) -> GuestResult<Action> {
    match action {
        WitAction::Continue => Ok(Action::Continue),
        WitAction::Respond(response) => Ok(Action::Respond(Box::new(store.data_mut().take_local_response(response)?))),
    }
}

fn watched(failures: phases::error_phase::Failures) -> WatchedFailures {
    use phases::error_phase::Failures;

    WatchedFailures {
        unreachable: failures.contains(Failures::UNREACHABLE),
        server_errors: failures.contains(Failures::SERVER_ERRORS),
        plugins: failures.contains(Failures::PLUGINS),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn decision_of(decision: &Decision) -> phases::complete_phase::Decision<'_> {
    phases::complete_phase::Decision {
        plugin: &decision.plugin,
        phase: decision.phase.as_str(),
        outcome: decision.outcome.as_str(),
        calls: decision.calls,
        duration_us: micros(decision.duration),
    }
}
