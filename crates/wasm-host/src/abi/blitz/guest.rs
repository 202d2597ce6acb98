//! Host → guest.

use bytes::Bytes;
use wasmtime::{Instance, InstancePre, TypedFunc, WasmParams, WasmResults};
use wasmtime_wasi::I32Exit;

use super::{
    exports::{Exports, REQUEST, RESPONSE},
    hostcalls::CallState,
    strings::{Allocator, as_text},
};
use crate::{
    BodyMode, BodyReading, Phases,
    abi::{BoxFuture, Declared, Guest, GuestError, GuestPre, GuestResult, HostStore},
    error::one_line,
    message::{Action, BodyAction, BodyPiece, ExchangeState, LocalResponse},
    store::{HostState, HostStop},
};

pub(super) struct BlitzPre {
    pub(super) instance: InstancePre<HostState>,
    pub(super) exports: Exports,
    /// The guest asks for bodies, so that it sees a request when all of it is there.
    pub(super) reads_bodies: bool,
}

impl GuestPre for BlitzPre {
    fn phases(&self) -> Phases {
        Phases {
            request: self.exports.request && !self.reads_bodies,
            request_body: self.exports.request && self.reads_bodies,
            response_body: self.exports.response,
            ..Phases::default()
        }
    }

    fn cleans_up(&self) -> bool {
        self.exports.cleanup
    }

    fn outlives_errors(&self) -> bool {
        true
    }

    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>> {
        Box::pin(async move {
            let instance = self.instance.instantiate_async(&mut *store).await?;
            let allocator = Allocator::of_instance(&instance, store, self.exports.room)?;
            store.data_mut().set_call_state(CallState { allocator, body: Bytes::new(), set: Default::default() });
            for name in &self.exports.starts {
                start(&function(&instance, store, name)?, store).await?;
            }
            if self.exports.init {
                let code = function::<(), i32>(&instance, store, "init")?.call_async(&mut *store, ()).await?;
                Code::of("init", code).map_err(HostStop::Refused)?;
            }
            let guest = BlitzGuest {
                allocator,
                reads_bodies: self.reads_bodies,
                request: self.exports.request.then(|| function(&instance, store, REQUEST)).transpose()?,
                response: self.exports.response.then(|| function(&instance, store, RESPONSE)).transpose()?,
                cleanup: self.exports.cleanup.then(|| function(&instance, store, "cleanup")).transpose()?,
            };
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }
}

fn function<P: WasmParams, R: WasmResults>(
    instance: &Instance,
    store: &mut HostStore,
    name: &str,
) -> Result<TypedFunc<P, R>, HostStop> {
    instance.get_typed_func(store, name).map_err(|error| HostStop::Misfit(one_line(&error)))
}

/// Starts what a language has to start. A program that ends by saying that all is well has started.
async fn start(function: &TypedFunc<(), ()>, store: &mut HostStore) -> wasmtime::Result<()> {
    match function.call_async(store, ()).await {
        Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(()),
        started => started,
    }
}

/// What a guest returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Continue,
    Stop,
}

impl Code {
    fn of(function: &str, code: i32) -> Result<Self, String> {
        match code {
            0 => Ok(Self::Continue),
            1 => Ok(Self::Stop),
            code => Err(format!("`{function}` returned {code}")),
        }
    }
}

struct BlitzGuest {
    allocator: Allocator,
    reads_bodies: bool,
    request: Option<TypedFunc<(u32, u32, u32, u32), i32>>,
    response: Option<TypedFunc<(i32, u32, u32), i32>>,
    cleanup: Option<TypedFunc<(), i32>>,
}

impl Guest for BlitzGuest {
    fn declare<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Declared>> {
        let bytes = u32::try_from(store.data().plugin.limits.body_bytes).unwrap_or(u32::MAX);
        let reading = |is_read: bool| BodyReading::from(if is_read { BodyMode::Buffer(bytes) } else { BodyMode::None });
        let declared = Declared {
            request_body: reading(self.request.is_some() && self.reads_bodies),
            response_body: reading(self.response.is_some()),
            whole_messages: true,
            ..Declared::default()
        };
        Box::pin(async move { Ok(declared) })
    }

    fn on_request<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async move {
            match self.process_request(store, Bytes::new()).await? {
                Code::Continue => Ok(Action::Continue),
                Code::Stop => Ok(Action::Respond(Box::new(answer(store)?))),
            }
        })
    }

    fn on_request_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let BodyPiece::Whole(body) = piece else { return Ok(BodyAction::Leave) };
            match self.process_request(store, body).await? {
                Code::Continue => Ok(BodyAction::Pass),
                Code::Stop => Ok(BodyAction::Respond(Box::new(answer(store)?))),
            }
        })
    }

    fn on_response_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let BodyPiece::Whole(body) = piece else { return Ok(BodyAction::Leave) };
            match self.process_response(store, body).await? {
                Code::Continue => Ok(BodyAction::Pass),
                Code::Stop => Ok(BodyAction::Stop),
            }
        })
    }

    fn clean_up<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async move {
            let Some(cleanup) = &self.cleanup else { return Ok(()) };
            let code = cleanup.call_async(store, ()).await?;
            Code::of("cleanup", code).map(drop).map_err(GuestError::Declared)
        })
    }
}

impl BlitzGuest {
    async fn process_request(&self, store: &mut HostStore, body: Bytes) -> GuestResult<Code> {
        let Some(function) = &self.request else { return Ok(Code::Continue) };
        let request = &exchange(store)?.request;
        let (method, path) = (request.method.clone(), request.uri.path().to_owned());
        begin(store, as_text(body))?;
        let method = self.allocator.place(store, method.as_str().as_bytes()).await?;
        let path = self.allocator.place(store, path.as_bytes()).await?;
        let code = function.call_async(&mut *store, (method.ptr, method.len, path.ptr, path.len)).await?;
        self.allocator.free(store, method).await?;
        self.allocator.free(store, path).await?;
        calls(store)?.body.clear();
        Code::of(REQUEST, code).map_err(GuestError::Declared)
    }

    async fn process_response(&self, store: &mut HostStore, body: Bytes) -> GuestResult<Code> {
        let Some(function) = &self.response else { return Ok(Code::Continue) };
        let status = i32::from(exchange(store)?.response.status.as_u16());
        let body = as_text(body);
        begin(store, body.clone())?;
        let body = self.allocator.place(store, &body).await?;
        let code = function.call_async(&mut *store, (status, body.ptr, body.len)).await?;
        self.allocator.free(store, body).await?;
        calls(store)?.body.clear();
        Code::of(RESPONSE, code).map_err(GuestError::Declared)
    }
}

/// Nothing of an earlier call is left.
fn begin(store: &mut HostStore, body: Bytes) -> GuestResult<()> {
    let calls = calls(store)?;
    calls.body = body;
    calls.set.clear();
    Ok(())
}

fn calls(store: &mut HostStore) -> GuestResult<&mut CallState> {
    store.data_mut().call_state().map_err(|stop| GuestError::Wasm(stop.into()))
}

fn exchange(store: &HostStore) -> GuestResult<&ExchangeState> {
    store.data().exchange.as_deref().ok_or_else(|| GuestError::Wasm(HostStop::NoExchange.into()))
}

/// The answer of a guest that stopped: 200 with the headers that it has set.
fn answer(store: &mut HostStore) -> GuestResult<LocalResponse> {
    const OK: u16 = 200;
    let mut response = LocalResponse::new(OK).map_err(|error| GuestError::Invalid(error.to_string()))?;
    response.headers = std::mem::take(&mut calls(store)?.set);
    Ok(response)
}
