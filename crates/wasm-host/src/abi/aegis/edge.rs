//! Host → guest: edge functions.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::{InstancePre, TypedFunc};

use super::{
    call::EdgeCall,
    hostcalls::{self, MODULE},
    initialize,
    options::EdgeOptions,
};
use crate::{
    BodyMode, LogLevel, Phases,
    abi::{BoxFuture, Declared, FileShape, Guest, GuestError, GuestMemory, GuestPre, GuestResult, HostStore},
    message::{Action, BodyAction, BodyPiece, LocalResponse},
    store::HostState,
};

pub(super) struct EdgePre {
    instance: InstancePre<HostState>,
    entry: Arc<str>,
    result: Option<Arc<str>>,
    /// It reads the request's body, or replaces it.
    takes_body: bool,
    /// It changes responses.
    changes_response: bool,
}

impl EdgePre {
    pub(super) fn new(instance: InstancePre<HostState>, file: &FileShape, options: EdgeOptions) -> Self {
        Self {
            instance,
            entry: options.entry.into(),
            result: options.result.map(Arc::from),
            takes_body: file.imports_one_of(MODULE, &hostcalls::OF_REQUEST_BODIES),
            changes_response: file.imports_one_of(MODULE, &hostcalls::OF_RESPONSES),
        }
    }
}

impl GuestPre for EdgePre {
    fn phases(&self) -> Phases {
        Phases {
            request: !self.takes_body,
            request_body: self.takes_body,
            response: self.changes_response,
            ..Phases::default()
        }
    }

    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>> {
        Box::pin(async move {
            store.data_mut().set_call_state(EdgeCall::default());
            let instance = self.instance.instantiate_async(&mut *store).await?;
            // Without a memory, every hostcall that needs one answers that it failed.
            let _ = GuestMemory::of_instance(&instance, store);
            initialize(&instance, store).await?;
            let main = instance.get_typed_func(&mut *store, &self.entry)?;
            let guest = EdgeGuest {
                main,
                entry: Arc::clone(&self.entry),
                result: self.result.clone(),
                takes_body: self.takes_body,
            };
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }
}

struct EdgeGuest {
    main: TypedFunc<(), i32>,
    entry: Arc<str>,
    result: Option<Arc<str>>,
    takes_body: bool,
}

impl Guest for EdgeGuest {
    fn declare<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Declared>> {
        Box::pin(async move {
            let bytes = u32::try_from(store.data().plugin.limits.body_bytes).unwrap_or(u32::MAX);
            let mut declared = Declared { whole_messages: true, ..Declared::default() };
            if self.takes_body {
                declared.request_body = BodyMode::Buffer(bytes).into();
            }
            Ok(declared)
        })
    }

    fn on_request<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async move { Ok(self.run(store, Bytes::new()).await?.map_or(Action::Continue, Action::Respond)) })
    }

    fn on_request_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let BodyPiece::Whole(body) = piece else { return Ok(BodyAction::Pass) };
            if let Some(answer) = self.run(store, body).await? {
                return Ok(BodyAction::Respond(answer));
            }
            let (call, _) = EdgeCall::of(store.data_mut())?;
            Ok(call.replaced_body.take().map_or(BodyAction::Pass, BodyAction::Replace))
        })
    }

    fn on_response<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async move {
            let (call, exchange) = EdgeCall::of(store.data_mut())?;
            if call.is_of(&exchange.facts) { call.response.apply(exchange) } else { Ok(Action::Continue) }
        })
    }
}

impl EdgeGuest {
    /// Runs the function, and gives the answer when it terminates the request.
    async fn run(&self, store: &mut HostStore, body: Bytes) -> GuestResult<Option<Box<LocalResponse>>> {
        EdgeCall::begin(store.data_mut(), body)?;
        let code = self.main.call_async(&mut *store, ()).await?;
        if code != 0 {
            return Err(GuestError::Declared(format!("`{}` returned {code}", self.entry)));
        }
        self.keep_result(store.data_mut())?;
        let (call, _) = EdgeCall::of(store.data_mut())?;
        call.forget_request();
        call.response.answer()
    }

    fn keep_result(&self, state: &mut HostState) -> GuestResult<()> {
        let Some(property) = &self.result else { return Ok(()) };
        let (call, exchange) = EdgeCall::of(state)?;
        if exchange.set_property(property, call.buffer.content()).is_err() {
            let bytes = call.buffer.content().len();
            let message =
                format!("result: {bytes} bytes are not kept as `{property}`: properties have 64 KiB together");
            state.log(LogLevel::Warn, "host", &message);
        }
        Ok(())
    }
}
