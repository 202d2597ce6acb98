//! What the ABIs of core modules have in common.

use wasmtime::{ExternType, InstancePre, Linker, Module};

use crate::{Error, Result, error::one_line, store::HostState};

/// WASI preview 1, under the name that modules import it by.
pub(crate) fn link_wasi(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p1::add_to_linker_async(linker, HostState::wasi_p1)
}

/// A module with what it imports.
pub(crate) fn link(
    abi: &'static str,
    module: &Module,
    mut linker: Linker<HostState>,
) -> Result<InstancePre<HostState>> {
    let missing = missing_imports(module, &mut linker);
    if missing.is_empty() {
        linker.instantiate_pre(module).map_err(|error| misfit(abi, &error))
    } else {
        Err(Error::MissingImports { abi, missing })
    }
}

/// Every import of the module that the linker does not have. Its functions are defined afterwards, and of no use.
fn missing_imports(module: &Module, linker: &mut Linker<HostState>) -> Vec<String> {
    let is_missing = |import: &wasmtime::ImportType<'_>| match import.ty() {
        // Defining what is already defined is refused: that tells what the linker has.
        ExternType::Func(ty) => linker.func_new(import.module(), import.name(), ty, |_, _, _| Ok(())).is_ok(),
        _ => true,
    };
    let missing = module.imports().filter(is_missing);
    missing.map(|import| format!("{}.{}", import.module(), import.name())).collect()
}

/// Code that does not fit its ABI.
pub(crate) fn misfit(abi: &'static str, error: &wasmtime::Error) -> Error {
    Error::Link { abi, reason: one_line(error) }
}
