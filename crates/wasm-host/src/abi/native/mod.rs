//! The native ABI, `wasm-host:plugin@0.1.0`: a component that exports our phases.

mod bindings;
mod hostcalls;
mod imports;

use wasmtime::{
    Engine,
    component::{HasSelf, InstancePre, Linker, Resource},
};

use self::bindings::exports::wasm_host::plugin as phases;
use crate::{
    Error, Result,
    abi::{BoxFuture, FileKind, FileShape, Guest, GuestAbi, GuestError, GuestPre, GuestResult, HostStore, Phases},
    compile::CompiledCode,
    error::one_line,
    exchange::{Summary, UpstreamFailure},
    message::Action,
    store::HostState,
};

const ID: &str = "native";
const PACKAGE: &str = "wasm-host:plugin/";
const VERSION: &str = "@0.1.0";

pub(super) struct Native;

/// The request of the call, for the length of the call.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct RequestHandle;
/// The response of the call, for the length of the call.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct ResponseHandle;

impl GuestAbi for Native {
    fn id(&self) -> &'static str {
        ID
    }

    fn expects(&self) -> &'static str {
        "one or more of wasm-host:plugin/{request-phase, response-phase, error-phase, complete-phase}@0.1.0"
    }

    fn matches(&self, file: &FileShape) -> bool {
        let called = ["request-phase", "response-phase", "error-phase", "complete-phase"];
        file.kind == FileKind::Component && called.iter().any(|phase| exports(&file.exports, phase))
    }

    fn missing_imports(&self, code: &CompiledCode) -> Result<Vec<String>> {
        Ok(imports::missing(code.component(), &linker(code.engine())?))
    }

    fn link(&self, code: &CompiledCode) -> Result<Box<dyn GuestPre>> {
        let link_error = |error: wasmtime::Error| Error::Link { abi: ID, reason: one_line(&error) };
        let instance = linker(code.engine())?.instantiate_pre(code.component()).map_err(link_error)?;
        macro_rules! indices {
            ($phase:ident, $name:literal) => {
                exports(&code.shape().exports, $name)
                    .then(|| phases::$phase::GuestIndices::new(&instance))
                    .transpose()
                    .map_err(link_error)?
            };
        }
        Ok(Box::new(NativePre {
            configure: indices!(configure_phase, "configure-phase"),
            request: indices!(request_phase, "request-phase"),
            response: indices!(response_phase, "response-phase"),
            error: indices!(error_phase, "error-phase"),
            complete: indices!(complete_phase, "complete-phase"),
            instance,
        }))
    }
}

fn exports(exports: &[String], phase: &str) -> bool {
    exports.iter().any(|export| {
        export.strip_prefix(PACKAGE).and_then(|export| export.strip_suffix(VERSION)).is_some_and(|name| name == phase)
    })
}

fn linker(engine: &Engine) -> Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    link_host(&mut linker).map_err(|error| Error::Engine { reason: one_line(&error) })?;
    Ok(linker)
}

fn link_host(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    use bindings::{
        wasi::{config::store, logging::logging},
        wasm_host::plugin::{exchange, properties, types, upstream},
    };

    fn state(state: &mut HostState) -> &mut HostState {
        state
    }

    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    types::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    exchange::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    properties::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    upstream::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    logging::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    store::add_to_linker::<_, HasSelf<HostState>>(linker, state)
}

struct NativePre {
    instance: InstancePre<HostState>,
    configure: Option<phases::configure_phase::GuestIndices>,
    request: Option<phases::request_phase::GuestIndices>,
    response: Option<phases::response_phase::GuestIndices>,
    error: Option<phases::error_phase::GuestIndices>,
    complete: Option<phases::complete_phase::GuestIndices>,
}

impl GuestPre for NativePre {
    fn phases(&self) -> Phases {
        Phases {
            configure: self.configure.is_some(),
            request: self.request.is_some(),
            response: self.response.is_some(),
            error: self.error.is_some(),
            complete: self.complete.is_some(),
        }
    }

    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>> {
        Box::pin(async move {
            let instance = self.instance.instantiate_async(&mut *store).await?;
            let guest = NativeGuest {
                configure: self.configure.as_ref().map(|phase| phase.load(&mut *store, &instance)).transpose()?,
                request: self.request.as_ref().map(|phase| phase.load(&mut *store, &instance)).transpose()?,
                response: self.response.as_ref().map(|phase| phase.load(&mut *store, &instance)).transpose()?,
                error: self.error.as_ref().map(|phase| phase.load(&mut *store, &instance)).transpose()?,
                complete: self.complete.as_ref().map(|phase| phase.load(&mut *store, &instance)).transpose()?,
            };
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }
}

struct NativeGuest {
    configure: Option<phases::configure_phase::Guest>,
    request: Option<phases::request_phase::Guest>,
    response: Option<phases::response_phase::Guest>,
    error: Option<phases::error_phase::Guest>,
    complete: Option<phases::complete_phase::Guest>,
}

impl Guest for NativeGuest {
    fn configure<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async move {
            let Some(phase) = &self.configure else { return Ok(()) };
            let plugin = std::sync::Arc::clone(&store.data().plugin);
            phase.call_configure(store, plugin.config.json()).await?.map_err(GuestError::Declared)
        })
    }

    fn on_request<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async move {
            let Some(phase) = &self.request else { return Ok(Action::Continue) };
            let action = phase.call_on_request(&mut *store, Resource::new_borrow(0)).await?;
            action_of(action, store)
        })
    }

    fn on_response<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async move {
            let Some(phase) = &self.response else { return Ok(Action::Continue) };
            let action = phase.call_on_response(&mut *store, Resource::new_borrow(0)).await?;
            action_of(action, store)
        })
    }

    fn on_error<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        failure: &'a UpstreamFailure,
    ) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async move {
            let Some(phase) = &self.error else { return Ok(Action::Continue) };
            let failure = phases::error_phase::Failure {
                service: failure.service.as_deref().map(str::to_owned),
                kind: failure.kind.as_str().to_owned(),
                message: failure.message.clone(),
                status: failure.status.as_u16(),
            };
            let action = phase.call_on_error(&mut *store, &failure).await?;
            action_of(action, store)
        })
    }

    fn on_complete<'a>(&'a mut self, store: &'a mut HostStore, summary: Summary) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async move {
            let Some(phase) = &self.complete else { return Ok(()) };
            let summary = phases::complete_phase::Summary {
                status: summary.status.map(|status| status.as_u16()),
                duration_us: u64::try_from(summary.duration.as_micros()).unwrap_or(u64::MAX),
                response_bytes: summary.response_bytes,
                finished: summary.finished,
            };
            Ok(phase.call_on_complete(store, summary).await?)
        })
    }
}

fn action_of(
    action: Result<bindings::wasm_host::plugin::types::Action, String>,
    store: &mut HostStore,
) -> GuestResult<Action> {
    use bindings::wasm_host::plugin::types::Action as WitAction;

    match action.map_err(GuestError::Declared)? {
        WitAction::Continue => Ok(Action::Continue),
        WitAction::Respond(response) => {
            let response = store.data_mut().take_local_response(response)?;
            Ok(Action::Respond(Box::new(response)))
        }
    }
}
