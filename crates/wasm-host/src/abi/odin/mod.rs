//! The ABI of Odin: a core module that exports `execute`, with a message as JSON in its memory.

mod aggregation;
mod allocator;
mod apply;
mod encoding;
mod guest;
mod headers;
mod hostcalls;
mod input;
mod json;
mod metadata;
mod options;
mod output;
mod place;
mod query;
mod region;
mod returned;

use std::sync::Arc;

use wasmparser::{FuncType, ValType};
use wasmtime::{Engine, ExternType, Linker, Module};

use self::{
    guest::{OdinPre, has_no_parameters},
    options::Options,
};
use super::core_module;
use crate::{
    Error, Result,
    abi::{AbiOptions, FileKind, FileShape, GuestAbi, GuestPre},
    compile::CompiledCode,
    error::one_line,
    store::HostState,
};

const ID: &str = "odin";
const EXECUTE: &str = "execute";

pub(super) struct Odin;

impl GuestAbi for Odin {
    fn id(&self) -> &'static str {
        ID
    }

    fn expects(&self) -> &'static str {
        "execute: (i32, i32) -> i64 or (i32, i32) -> (i32, i32), and memory"
    }

    fn matches(&self, file: &FileShape) -> bool {
        file.kind == FileKind::CoreModule && file.function(EXECUTE).is_some_and(is_execute)
    }

    fn link(&self, code: &CompiledCode, options: &AbiOptions<'_>) -> Result<Box<dyn GuestPre>> {
        let module = code.module()?;
        let instance = core_module::link(ID, module, linker(code.engine())?)?;
        let options = Options::parse(options)?;
        check_exports(module)?;
        Ok(Box::new(OdinPre { instance, options: Arc::new(options), cleans_up: has_no_parameters(module, "cleanup") }))
    }
}

fn is_execute(ty: &FuncType) -> bool {
    use ValType::{I32, I64};
    ty.params() == [I32, I32] && (ty.results() == [I64] || ty.results() == [I32, I32])
}

fn check_exports(module: &Module) -> Result<()> {
    let misfit = |reason: String| Err(Error::Link { abi: ID, reason });
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return misfit("it exports no memory under the name `memory`".to_owned());
    }
    for name in ["_initialize", "_start", "init", "cleanup"] {
        if module.get_export(name).is_some() && !has_no_parameters(module, name) {
            return misfit(format!("its export `{name}` is no function without parameters"));
        }
    }
    Ok(())
}

fn linker(engine: &Engine) -> Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    let linked = core_module::link_wasi(&mut linker).and_then(|()| hostcalls::link(&mut linker));
    linked.map_err(|error| Error::Engine { reason: one_line(&error) })?;
    Ok(linker)
}
