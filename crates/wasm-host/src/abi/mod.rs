//! The contracts guests are written against. Each ABI is a folder and a line in [`ABIS`].
//!
//! An ABI translates: it converts and calls. What a guest may do is decided in `capability` and `limits`, what its
//! failure means in `chain`.

mod componentize;
mod detect;
mod native;

use std::{future::Future, pin::Pin};

pub(crate) use self::{
    componentize::componentize,
    detect::{FileKind, FileShape},
};
use crate::{
    Error, Result,
    compile::CompiledCode,
    exchange::{Summary, UpstreamFailure},
    message::{Action, Phase},
    store::HostState,
};

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
pub(crate) type HostStore = wasmtime::Store<HostState>;
pub(crate) type GuestResult<T> = Result<T, GuestError>;

/// Every ABI, in the order they are tried.
static ABIS: &[&dyn GuestAbi] = &[&native::Native];

/// A contract that a guest is written against.
pub(crate) trait GuestAbi: Send + Sync {
    /// The name in configs and logs.
    fn id(&self) -> &'static str;

    /// What a guest exports to be of this ABI, for an error message.
    fn expects(&self) -> &'static str;

    /// Whether the file is of this ABI.
    fn matches(&self, file: &FileShape) -> bool;

    /// Every import of the guest that the ABI does not have.
    fn missing_imports(&self, code: &CompiledCode) -> Result<Vec<String>>;

    /// Connects code with the host's functions.
    fn link(&self, code: &CompiledCode) -> Result<Box<dyn GuestPre>>;
}

/// Linked code, from which instances are made.
pub(crate) trait GuestPre: Send + Sync {
    /// The phases the guest has.
    fn phases(&self) -> Phases;

    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>>;
}

/// One live guest. The host calls it only in the phases its [`GuestPre`] has.
pub(crate) trait Guest: Send {
    fn configure<'a>(&'a mut self, _store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async { Ok(()) })
    }

    fn on_request<'a>(&'a mut self, _store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async { Ok(Action::Continue) })
    }

    fn on_response<'a>(&'a mut self, _store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async { Ok(Action::Continue) })
    }

    fn on_error<'a>(
        &'a mut self,
        _store: &'a mut HostStore,
        _failure: &'a UpstreamFailure,
    ) -> BoxFuture<'a, GuestResult<Action>> {
        Box::pin(async { Ok(Action::Continue) })
    }

    fn on_complete<'a>(&'a mut self, _store: &'a mut HostStore, _summary: Summary) -> BoxFuture<'a, GuestResult<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// How a call of a guest ended without a result.
pub(crate) enum GuestError {
    /// The call did not return: a trap, or the host ended it.
    Wasm(wasmtime::Error),
    /// The guest returned an error of its own.
    Declared(String),
}

impl From<wasmtime::Error> for GuestError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasm(error)
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
    /// It sees responses.
    pub response: bool,
    /// It sees failed upstreams.
    pub error: bool,
    /// It sees how exchanges ended.
    pub complete: bool,
}

impl Phases {
    pub(crate) fn has(self, phase: Phase) -> bool {
        match phase {
            Phase::Configure => self.configure,
            Phase::Request => self.request,
            Phase::Response => self.response,
            Phase::Error => self.error,
            Phase::Complete => self.complete,
        }
    }

    /// Whether an exchange needs the instance again after this phase.
    pub(crate) fn needed_after(self, phase: Phase) -> bool {
        match phase {
            Phase::Configure => true,
            Phase::Request => self.response || self.error || self.complete,
            Phase::Error => self.response || self.complete,
            Phase::Response => self.complete,
            Phase::Complete => false,
        }
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            configure: self.configure || other.configure,
            request: self.request || other.request,
            response: self.response || other.response,
            error: self.error || other.error,
            complete: self.complete || other.complete,
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
