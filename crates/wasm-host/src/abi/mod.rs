//! The contracts guests are written against. Each ABI is a folder and a line in [`ABIS`].
//!
//! An ABI translates: it converts and calls. What a guest may do is decided in `capability` and `limits`, what its
//! failure means in `chain`.

mod aegis;
mod blitz;
mod command;
mod component;
mod componentize;
mod core_module;
mod detect;
mod memory;
mod native;
mod odin;
mod options;
mod sgl;

use std::time::Duration;

use bytes::Bytes;

pub(crate) use self::{
    command::CommandPre,
    componentize::componentize,
    detect::{FileKind, FileShape, ShippedSchema},
    memory::{GuestBytes, GuestMemory},
    options::AbiOptions,
};
pub(crate) use crate::BoxFuture;
use crate::{
    BodyReading, Error, Result,
    compile::CompiledCode,
    exchange::{ExchangeEnd, GuestFailure},
    message::{Action, BodyAction, BodyPiece, ErrorAction, Phase},
    store::HostState,
};

pub(crate) type HostStore = wasmtime::Store<HostState>;
pub(crate) type GuestResult<T> = Result<T, GuestError>;

/// Every ABI, in the order they are tried.
static ABIS: &[&dyn GuestAbi] =
    &[&native::Native, &sgl::Sgl, &odin::Odin, &blitz::Blitz, &aegis::Aegis, &command::WasiCommand];

/// A contract that a guest is written against.
pub(crate) trait GuestAbi: Send + Sync {
    /// The name in configs and logs.
    fn id(&self) -> &'static str;

    /// What a guest exports to be of this ABI, for an error message.
    fn expects(&self) -> &'static str;

    /// Whether the file is of this ABI.
    fn matches(&self, file: &FileShape) -> bool;

    /// Connects code with the host's functions, as the operator wants it used. Imports that the ABI does not have are
    /// named, all of them.
    fn link(&self, code: &CompiledCode, options: &AbiOptions<'_>) -> Result<Box<dyn GuestPre>>;

    /// Whether code can be used as guests of the ABI are: as a plugin, where it does not say otherwise.
    fn check(&self, code: &CompiledCode) -> Result<()> {
        self.link(code, &AbiOptions::NONE).map(drop)
    }
}

/// Linked code, from which instances are made.
pub(crate) trait GuestPre: Send + Sync {
    /// The phases the guest has.
    fn phases(&self) -> Phases;

    /// Whether the guest is to be told when it goes.
    fn cleans_up(&self) -> bool {
        false
    }

    /// Whether a guest that has returned an error is as it was: its ABI has no other way to refuse a message.
    fn outlives_errors(&self) -> bool {
        false
    }

    /// Makes a guest, and has it start what it starts when it is loaded.
    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>>;
}

/// One live guest. The host calls it only in the phases its [`GuestPre`] has.
pub(crate) trait Guest: Send {
    fn configure<'a>(&'a mut self, _store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async { Ok(()) })
    }

    /// What the guest wants to see. Asked once, of the first instance.
    fn declare<'a>(&'a mut self, _store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Declared>> {
        Box::pin(async { Ok(Declared::default()) })
    }

    fn on_request<'a>(&'a mut self, _store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async { Ok(Action::Continue) })
    }

    fn on_request_body<'a>(
        &'a mut self,
        _store: &'a mut HostStore,
        _piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async { Ok(BodyAction::Leave) })
    }

    fn on_response<'a>(&'a mut self, _store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async { Ok(Action::Continue) })
    }

    fn on_response_body<'a>(
        &'a mut self,
        _store: &'a mut HostStore,
        _piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async { Ok(BodyAction::Leave) })
    }

    fn on_error<'a>(
        &'a mut self,
        _store: &'a mut HostStore,
        _failure: &'a GuestFailure,
    ) -> BoxFuture<'a, GuestResult<ErrorAction>> {
        Box::pin(async { Ok(ErrorAction::Continue) })
    }

    /// Time has passed: the host calls it outside of exchanges.
    fn on_tick<'a>(&'a mut self, _store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async { Ok(()) })
    }

    fn on_complete<'a>(
        &'a mut self,
        _store: &'a mut HostStore,
        _end: &'a ExchangeEnd,
    ) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async { Ok(()) })
    }

    /// One call with an input as the ABI writes it, outside of any exchange, and the output as the guest wrote it. For an
    /// ABI whose guests take a message as one text.
    fn on_test_input<'a>(
        &'a mut self,
        _store: &'a mut HostStore,
        _input: Bytes,
    ) -> BoxFuture<'a, GuestResult<Vec<u8>>> {
        Box::pin(async { Err(GuestError::Declared("a guest of this ABI takes no input as a text".to_owned())) })
    }

    /// The last call of a guest whose calls all returned, where its [`GuestPre`] cleans up.
    fn clean_up<'a>(&'a mut self, _store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// How a call of a guest ended without a result.
pub(crate) enum GuestError {
    /// The call did not return: a trap, or the host ended it.
    Wasm(wasmtime::Error),
    /// The guest returned an error of its own.
    Declared(String),
    /// The guest returned what makes no sense where it was returned.
    Invalid(String),
}

impl From<wasmtime::Error> for GuestError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasm(error)
    }
}

/// What a guest says it wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) request_body: BodyReading,
    pub(crate) response_body: BodyReading,
    pub(crate) failures: WatchedFailures,
    /// How long after one tick the next one comes.
    pub(crate) tick: Option<Duration>,
    /// Its body phases are about whole messages: they see a response that has no content by what it is, too, and do not
    /// see one that streams, which would have to be held.
    pub(crate) whole_messages: bool,
}

/// The failures that a plugin's error phase sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchedFailures {
    /// No response could be had from the upstream.
    pub unreachable: bool,
    /// The upstream answered with a status of 500 to 599.
    pub server_errors: bool,
    /// Another plugin failed, and its policy closes.
    pub plugins: bool,
}

impl WatchedFailures {
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            unreachable: self.unreachable || other.unreachable,
            server_errors: self.server_errors || other.server_errors,
            plugins: self.plugins || other.plugins,
        }
    }
}

/// The phases in which a plugin is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Phases {
    /// It takes a configuration.
    pub configure: bool,
    /// It sees requests.
    pub request: bool,
    /// It may read the bodies of requests.
    pub request_body: bool,
    /// It sees responses.
    pub response: bool,
    /// It may read the bodies of responses.
    pub response_body: bool,
    /// It sees failures.
    pub error: bool,
    /// It sees how exchanges ended.
    pub complete: bool,
    /// It is called every now and then, outside of exchanges.
    pub tick: bool,
}

impl Phases {
    /// Each phase of an exchange that is there.
    pub fn iter(self) -> impl Iterator<Item = Phase> {
        Phase::OF_AN_EXCHANGE.into_iter().filter(move |phase| self.has(*phase))
    }

    pub(crate) fn has(self, phase: Phase) -> bool {
        match phase {
            Phase::Configure => self.configure,
            Phase::Request => self.request,
            Phase::RequestBody => self.request_body,
            Phase::Response => self.response,
            Phase::ResponseBody => self.response_body,
            Phase::Error => self.error,
            Phase::Complete => self.complete,
            Phase::Tick => self.tick,
        }
    }

    pub(crate) fn clear(&mut self, phase: Phase) {
        let cleared = match phase {
            Phase::Configure => &mut self.configure,
            Phase::Request => &mut self.request,
            Phase::RequestBody => &mut self.request_body,
            Phase::Response => &mut self.response,
            Phase::ResponseBody => &mut self.response_body,
            Phase::Error => &mut self.error,
            Phase::Complete => &mut self.complete,
            Phase::Tick => &mut self.tick,
        };
        *cleared = false;
    }

    /// Whether an exchange has nothing left to call.
    pub(crate) fn is_over(self) -> bool {
        self.iter().next().is_none()
    }

    /// Whether an exchange has anything to call once its request is on its way.
    pub(crate) fn follow_a_request(self) -> bool {
        self.request_body || self.response || self.response_body || self.error || self.complete
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            configure: self.configure || other.configure,
            request: self.request || other.request,
            request_body: self.request_body || other.request_body,
            response: self.response || other.response,
            response_body: self.response_body || other.response_body,
            error: self.error || other.error,
            complete: self.complete || other.complete,
            tick: self.tick || other.tick,
        }
    }
}

/// Which ABI a file is of.
pub(crate) fn detect(file: &FileShape) -> Result<&'static dyn GuestAbi> {
    ABIS.iter().copied().find(|abi| abi.matches(file)).ok_or_else(|| Error::UnknownAbi {
        kind: file.kind.as_str(),
        found: if file.exports.is_empty() { "nothing".into() } else { file.exports.join(", ") },
        supported: ABIS
            .iter()
            .map(|abi| format!("{} (exports {})", abi.id(), abi.expects()))
            .collect::<Vec<_>>()
            .join("; "),
    })
}
