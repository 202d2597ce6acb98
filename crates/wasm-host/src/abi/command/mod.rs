//! WASI commands, as WasmWiz runs them: stdin is the input, stdout the output. They are no plugins of a chain.

use wasmtime::InstancePre;
use wasmtime_wasi::{I32Exit, p2::bindings};

use crate::{
    Error, Result,
    abi::{
        AbiOptions, FileKind, FileShape, GuestAbi, GuestPre, HostStore,
        component::{self, WASI},
        core_module,
    },
    compile::{Code, CompiledCode},
    error::one_line,
    store::HostState,
};

const ID: &str = "command";
const START: &str = "_start";
/// With a version of 0.2.
const RUN: &str = "wasi:cli/run@0.2.";

/// The packages that component commands may import, each with the version it is linked under.
const OFFERED: [(&str, &str); 6] = [
    ("wasi:cli/", WASI),
    ("wasi:clocks/", WASI),
    ("wasi:filesystem/", WASI),
    ("wasi:io/", WASI),
    ("wasi:random/", WASI),
    ("wasi:sockets/", WASI),
];

pub(super) struct WasiCommand;

impl GuestAbi for WasiCommand {
    fn id(&self) -> &'static str {
        ID
    }

    fn expects(&self) -> &'static str {
        "_start and memory of a core module, or wasi:cli/run@0.2: run by itself, not in a chain"
    }

    fn matches(&self, file: &FileShape) -> bool {
        match file.kind {
            FileKind::CoreModule => {
                let is_start = |ty: &wasmparser::FuncType| ty.params().is_empty() && ty.results().is_empty();
                file.function(START).is_some_and(is_start) && file.exports.iter().any(|export| export == "memory")
            }
            FileKind::Component => file.exports.iter().any(|export| export.starts_with(RUN)),
        }
    }

    fn link(&self, _code: &CompiledCode, _options: &AbiOptions<'_>) -> Result<Box<dyn GuestPre>> {
        Err(Error::CommandAsPlugin)
    }

    fn check(&self, code: &CompiledCode) -> Result<()> {
        CommandPre::link(code).map(drop)
    }
}

/// A command that is linked with the host's functions. Instances are made of it.
pub(crate) enum CommandPre {
    Module(InstancePre<HostState>),
    Component(bindings::CommandPre<HostState>),
}

impl CommandPre {
    /// Fails for code of another ABI, and for code that imports what no command is offered.
    pub(crate) fn link(code: &CompiledCode) -> Result<Self> {
        let abi = code.abi();
        if abi.id() != ID {
            return Err(Error::NotACommand { abi: abi.id() });
        }
        Ok(match code.code() {
            Code::Module(module) => Self::Module(core_module::link(ID, module, module_linker(code)?)?),
            Code::Component(component) => {
                let instance = component::link(ID, component, component_linker(code)?, &OFFERED)?;
                Self::Component(bindings::CommandPre::new(instance).map_err(|error| core_module::misfit(ID, &error))?)
            }
        })
    }

    /// Makes an instance and runs it until it returns or exits. An exit is an error, that of code 0 too.
    pub(crate) async fn run(&self, store: &mut HostStore) -> wasmtime::Result<()> {
        match self {
            Self::Module(pre) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                let start = instance.get_typed_func::<(), ()>(&mut *store, START)?;
                start.call_async(store, ()).await
            }
            Self::Component(pre) => {
                let command = pre.instantiate_async(&mut *store).await?;
                let ended = command.wasi_cli_run().call_run(store).await?;
                ended.map_err(|()| I32Exit(1).into())
            }
        }
    }
}

fn module_linker(code: &CompiledCode) -> Result<wasmtime::Linker<HostState>> {
    let mut linker = wasmtime::Linker::new(code.engine());
    core_module::link_wasi(&mut linker).map_err(engine_error)?;
    Ok(linker)
}

fn component_linker(code: &CompiledCode) -> Result<wasmtime::component::Linker<HostState>> {
    let mut linker = wasmtime::component::Linker::new(code.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(engine_error)?;
    Ok(linker)
}

fn engine_error(error: wasmtime::Error) -> Error {
    Error::Engine { reason: one_line(&error) }
}
