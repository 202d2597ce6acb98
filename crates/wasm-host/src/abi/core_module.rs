//! What the ABIs of core modules have in common.

use wasmtime::{ExternType, Linker, Module};

use crate::{Error, error::one_line, store::HostState};

/// WASI preview 1, under the name that modules import it by.
pub(crate) fn link_wasi(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p1::add_to_linker_async(linker, HostState::wasi_p1)
}

/// Every import of the module that the linker does not have.
pub(crate) fn missing_imports(module: &Module, linker: &Linker<HostState>) -> Vec<String> {
    let mut probe = linker.clone();
    let is_missing = |import: &wasmtime::ImportType<'_>| match import.ty() {
        // Defining what is already defined is refused: that tells what the linker has.
        ExternType::Func(ty) => probe.func_new(import.module(), import.name(), ty, |_, _, _| Ok(())).is_ok(),
        _ => true,
    };
    let missing = module.imports().filter(is_missing);
    missing.map(|import| format!("{}.{}", import.module(), import.name())).collect()
}

/// A module that does not fit its ABI.
pub(crate) fn misfit(abi: &'static str, error: &wasmtime::Error) -> Error {
    Error::Link { abi, reason: one_line(error) }
}
