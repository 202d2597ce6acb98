//! The Blitz ABI: a core module whose strings are passed as wasm-bindgen does, or as plain pairs of pointer and length.

mod bindgen;
mod exports;
mod functions;
mod guest;
mod hostcalls;
mod strings;

use wasmtime::{Linker, Module};

use self::{exports::Exports, guest::BlitzPre, hostcalls::HostCall};
use crate::{
    Error, Result,
    abi::{AbiOptions, FileKind, FileShape, GuestAbi, GuestPre, core_module},
    compile::CompiledCode,
    error::one_line,
    store::HostState,
};

const ID: &str = "blitz";

pub(super) struct Blitz;

impl GuestAbi for Blitz {
    fn id(&self) -> &'static str {
        ID
    }

    fn expects(&self) -> &'static str {
        "process_request(i32, i32, i32, i32) -> i32 or process_response(i32, i32, i32) -> i32; of a build with \
         wasm-bindgen it is the `_bg.wasm` that its tool makes"
    }

    fn matches(&self, file: &FileShape) -> bool {
        file.kind == FileKind::CoreModule && exports::has_a_phase(file)
    }

    fn link(&self, code: &CompiledCode, options: &AbiOptions<'_>) -> Result<Box<dyn GuestPre>> {
        let module = code.module()?;
        let instance = core_module::link(ID, module, linker(module)?)?;
        options.refuse(ID)?;
        let exports = Exports::of(code.shape()).map_err(|reason| Error::Link { abi: ID, reason })?;
        let reads_bodies = module.imports().any(|import| {
            let function = functions::function_of(import.module(), import.name());
            function == Some(functions::Function::Text(functions::Text::Body))
        });
        Ok(Box::new(BlitzPre { instance, exports, reads_bodies }))
    }
}

/// What this module may import, under the names that it imports it by.
fn linker(module: &Module) -> Result<Linker<HostState>> {
    let mut linker = Linker::new(module.engine());
    let engine_error = |error: wasmtime::Error| Error::Engine { reason: one_line(&error) };
    core_module::link_wasi(&mut linker).map_err(engine_error)?;
    // A module may import one function twice.
    linker.allow_shadowing(true);
    for import in module.imports() {
        let Some(ty) = import.ty().func().cloned() else { continue };
        let Some(function) = functions::function_of(import.module(), import.name()) else { continue };
        let call = HostCall::of(function, &ty).ok_or_else(|| {
            let name = format!("{}.{}", import.module(), import.name());
            let found = exports::arrow(ty.params(), ty.results());
            let reason = format!("it imports `{name}` as {found}, and that is {}", function.signatures());
            Error::Link { abi: ID, reason }
        })?;
        hostcalls::define(&mut linker, (import.module(), import.name()), ty, call).map_err(engine_error)?;
    }
    linker.allow_shadowing(false);
    Ok(linker)
}
