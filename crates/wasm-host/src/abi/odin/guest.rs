//! Host → guest: how an instance starts, and a call of `execute`.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::IgnoredAny;
use wasmtime::{ExternType, Func, Instance, InstancePre, Module, TypedFunc, Val};
use wasmtime_wasi::I32Exit;

use super::{
    EXECUTE, aggregation,
    allocator::Allocator,
    apply,
    hostcalls::HostSide,
    input,
    json::Members,
    options::{Kind, Options},
    output::Output,
    place::InputPlace,
    region::Region,
    returned::{Place, Returned, Unusable, parse},
};
use crate::{
    BodyMode, Phases,
    abi::{BoxFuture, Declared, Guest, GuestError, GuestMemory, GuestPre, GuestResult, HostStore},
    message::{BodyAction, BodyPiece, ExchangeState},
    store::{HostState, HostStop},
};

/// Bytes of input that an instance keeps room for between calls.
const KEPT_INPUT: usize = 64 << 10;

pub(super) struct OdinPre {
    pub(super) instance: InstancePre<HostState>,
    pub(super) options: Arc<Options>,
    pub(super) cleans_up: bool,
}

/// Whether a module exports a function of this name that takes nothing.
pub(super) fn has_no_parameters(module: &Module, name: &str) -> bool {
    matches!(module.get_export(name), Some(ExternType::Func(ty)) if ty.params().len() == 0)
}

impl GuestPre for OdinPre {
    fn phases(&self) -> Phases {
        self.options.kind.phases()
    }

    fn cleans_up(&self) -> bool {
        self.cleans_up
    }

    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>> {
        Box::pin(async move {
            let instance = self.instance.instantiate_async(&mut *store).await?;
            let memory = GuestMemory::of_instance(&instance, store)?;
            let allocator = Allocator::of(&instance, store);
            store.data_mut().set_call_state(HostSide { allocator: allocator.clone() });
            for start in ["_initialize", "_start"] {
                run(&instance, store, start).await.or_else(exits_cleanly)?;
            }
            run(&instance, store, "init").await?;
            Ok(Box::new(OdinGuest {
                execute: Execute::of(&instance, store)?,
                cleanup: instance.get_func(&mut *store, "cleanup"),
                memory,
                place: allocator.map_or_else(|| InputPlace::Region(Region::default()), InputPlace::Allocator),
                input: Vec::new(),
                options: Arc::clone(&self.options),
            }) as Box<dyn Guest>)
        })
    }
}

/// Calls a function if the guest has it. What it gives back does not matter.
async fn run(instance: &Instance, store: &mut HostStore, name: &str) -> wasmtime::Result<()> {
    match instance.get_func(&mut *store, name) {
        Some(function) => call(function, store).await,
        None => Ok(()),
    }
}

async fn call(function: Func, store: &mut HostStore) -> wasmtime::Result<()> {
    let results = function.ty(&*store).results().len();
    function.call_async(store, &[], &mut vec![Val::I32(0); results]).await
}

/// A `main` that ends leaves an instance that can be called.
fn exits_cleanly(error: wasmtime::Error) -> wasmtime::Result<()> {
    match error.downcast_ref() {
        Some(I32Exit(0)) => Ok(()),
        _ => Err(error),
    }
}

struct OdinGuest {
    execute: Execute,
    cleanup: Option<Func>,
    memory: GuestMemory,
    place: InputPlace,
    /// The input of the call, in room that is kept.
    input: Vec<u8>,
    options: Arc<Options>,
}

/// The one function, in both types that it may have.
enum Execute {
    Packed(TypedFunc<(u32, u32), u64>),
    Pair(TypedFunc<(u32, u32), (u32, u32)>),
}

impl Execute {
    fn of(instance: &Instance, store: &mut HostStore) -> wasmtime::Result<Self> {
        let packed = instance.get_typed_func(&mut *store, EXECUTE).map(Self::Packed);
        packed.or_else(|_| instance.get_typed_func(store, EXECUTE).map(Self::Pair))
    }

    async fn call(&self, store: &mut HostStore, input: (u32, u32)) -> wasmtime::Result<Returned> {
        match self {
            Self::Packed(execute) => Ok(Returned::Packed(execute.call_async(store, input).await?)),
            Self::Pair(execute) => {
                let (ptr, len) = execute.call_async(store, input).await?;
                Ok(Returned::Pair(ptr, len))
            }
        }
    }
}

impl OdinGuest {
    /// Writes the input of a call.
    fn tell(&mut self, store: &HostStore, input: impl FnOnce(&mut Members<'_>, &ExchangeState)) -> GuestResult<()> {
        let state = store.data();
        let exchange = state.exchange.as_deref().ok_or_else(|| wasmtime::Error::from(HostStop::NoExchange))?;
        input::write(&mut self.input, exchange, state.plugin.config.json(), input);
        Ok(())
    }

    /// Calls `execute` with the input, and reads its output before the guest gets its memory back.
    async fn execute<T>(
        &mut self,
        store: &mut HostStore,
        read: impl Fn(&str) -> Result<T, Unusable>,
    ) -> GuestResult<T> {
        let place = self.place.put(store, self.memory, &self.input).await?;
        self.input.clear();
        self.input.shrink_to(KEPT_INPUT);
        let returned = self.execute.call(store, place).await?;
        let output = returned.read(|place| read(self.text(store, place)?)).map_err(GuestError::Invalid)?;
        self.place.take_back(store, place).await?;
        Ok(output)
    }

    fn text<'a>(&self, store: &'a HostStore, Place { ptr, len }: Place) -> Result<&'a str, Unusable> {
        let text = self.memory.text(store, ptr, len);
        let text = text.map_err(|error| Unusable::NotJson(format!("the output is not there: {error}")))?;
        let limit = store.data().plugin.limits.hostcall_bytes;
        if text.len() > limit {
            let reason = format!("the output of {len} bytes passes `limits.hostcall_bytes`, {limit}");
            return Err(Unusable::NotJson(reason));
        }
        Ok(text)
    }
}

impl Guest for OdinGuest {
    fn declare<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Declared>> {
        Box::pin(async move {
            let held = u32::try_from(store.data().plugin.limits.body_bytes).unwrap_or(u32::MAX);
            let phases = self.options.kind.phases();
            let reading = |has_phase: bool| if has_phase { BodyMode::Buffer(held) } else { BodyMode::None }.into();
            Ok(Declared {
                request_body: reading(phases.request_body),
                response_body: reading(phases.response_body),
                whole_messages: true,
                ..Declared::default()
            })
        })
    }

    fn on_request_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let BodyPiece::Whole(body) = piece else { return Ok(BodyAction::Pass) };
            let options = Arc::clone(&self.options);
            let encoding = options.body_encoding;
            if options.kind == Kind::Aggregation {
                let answers = aggregation::ask(store.data_mut(), &options.services, body).await?;
                self.tell(store, |input, _| aggregation::write(input, &answers, encoding))?;
                drop(answers);
                let output: Output = self.execute(store, parse).await?;
                return apply::to_answer(output, store.data_mut(), encoding);
            }
            self.tell(store, |input, exchange| input::request(input, &exchange.request, &body, encoding))?;
            let output: Output = self.execute(store, parse).await?;
            apply::to_request(output, store.data_mut(), encoding)
        })
    }

    fn on_response_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let BodyPiece::Whole(body) = piece else { return Ok(BodyAction::Pass) };
            let encoding = self.options.body_encoding;
            self.tell(store, |input, exchange| input::response(input, &exchange.response, &body, encoding))?;
            let output: Output = self.execute(store, parse).await?;
            apply::to_response(output, store.data_mut(), encoding)
        })
    }

    fn on_test_input<'a>(&'a mut self, store: &'a mut HostStore, input: Bytes) -> BoxFuture<'a, GuestResult<Vec<u8>>> {
        Box::pin(async move {
            self.input.clear();
            self.input.extend_from_slice(&input);
            self.execute(store, |text| parse::<IgnoredAny>(text).map(|_| text.as_bytes().to_vec())).await
        })
    }

    fn clean_up<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async move {
            match self.cleanup {
                Some(cleanup) => Ok(call(cleanup, store).await?),
                None => Ok(()),
            }
        })
    }
}
