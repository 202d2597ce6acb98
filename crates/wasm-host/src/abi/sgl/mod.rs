//! The ABI of sgl-model-gateway: a component that is given each message as a record, and says what to do with it.
//!
//! The same two interfaces exist under three package names. They are looked up by name, and are one implementation.

mod edits;
mod guest;
mod options;
mod records;

use wasmtime::{
    Engine,
    component::{Component, ComponentExportIndex, Linker},
};

use self::{
    guest::SglPre,
    options::{Attached, Options},
};
use crate::{
    Error, Result,
    abi::{
        AbiOptions, FileKind, FileShape, GuestAbi, GuestPre,
        component::{self, WASI},
    },
    compile::CompiledCode,
    error::one_line,
    store::HostState,
};

const ID: &str = "sgl";
/// The package as it is called today, as it was called before, and as it is called since.
const PACKAGES: [&str; 3] = ["sgl:model-gateway", "sgl:router", "smg:gateway"];
const ON_REQUEST: Export = Export { interface: "middleware-on-request", function: "on-request" };
const ON_RESPONSE: Export = Export { interface: "middleware-on-response", function: "on-response" };
/// The packages the linker has.
const OFFERED: [(&str, &str); 6] = [
    ("wasi:cli/", WASI),
    ("wasi:clocks/", WASI),
    ("wasi:filesystem/", WASI),
    ("wasi:io/", WASI),
    ("wasi:random/", WASI),
    ("wasi:sockets/", WASI),
];

pub(super) struct Sgl;

/// A function that a guest may export, in an interface of one of the packages.
struct Export {
    interface: &'static str,
    function: &'static str,
}

impl GuestAbi for Sgl {
    fn id(&self) -> &'static str {
        ID
    }

    fn expects(&self) -> &'static str {
        "middleware-on-request, middleware-on-response or both, of sgl:model-gateway, sgl:router or smg:gateway"
    }

    fn matches(&self, file: &FileShape) -> bool {
        let is_ours = |export: &Export| export.names().any(|name| file.exports.contains(&name));
        file.kind == FileKind::Component && [ON_REQUEST, ON_RESPONSE].iter().any(is_ours)
    }

    fn link(&self, code: &CompiledCode, options: &AbiOptions<'_>) -> Result<Box<dyn GuestPre>> {
        let component = code.component()?;
        let instance = component::link(ID, component, linker(code.engine())?, &OFFERED)?;
        let on_request = ON_REQUEST.find(component)?;
        let on_response = ON_RESPONSE.find(component)?;
        let attached = options.parse::<Options>(ID)?.attached(on_request.is_some(), on_response.is_some())?;
        let Attached { request, response, error } = attached;
        Ok(Box::new(SglPre {
            instance,
            on_request: on_request.filter(|_| request),
            on_response: on_response.filter(|_| response || error),
            attached,
        }))
    }
}

impl Export {
    /// The interface under each package.
    fn names(&self) -> impl Iterator<Item = String> {
        PACKAGES.iter().map(|package| format!("{package}/{}", self.interface))
    }

    /// Where the component has the function; none when it does not export the interface.
    fn find(&self, component: &Component) -> Result<Option<ComponentExportIndex>> {
        let found = self.names().find_map(|name| Some((component.get_export_index(None, &name)?, name)));
        let Some((interface, name)) = found else { return Ok(None) };
        match component.get_export_index(Some(&interface), self.function) {
            Some(function) => Ok(Some(function)),
            None => Err(Error::Link { abi: ID, reason: format!("`{name}` has no function `{}`", self.function) }),
        }
    }
}

fn linker(engine: &Engine) -> Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(|error| Error::Engine { reason: one_line(&error) })?;
    Ok(linker)
}
