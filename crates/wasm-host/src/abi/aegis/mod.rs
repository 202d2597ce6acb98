//! The AEGIS ABI: edge functions that speak with the host over a shared buffer, WAF modules and bot detectors. All are
//! core modules.

mod bot;
mod call;
mod changes;
mod edge;
mod handover;
mod hostcalls;
mod options;
mod waf;

use wasmparser::{FuncType, ValType};
use wasmtime::{Engine, Instance, Linker};

use self::{
    bot::BotPre,
    edge::EdgePre,
    options::{BotOptions, EdgeOptions},
    waf::WafPre,
};
use super::{AbiOptions, FileKind, FileShape, GuestAbi, GuestPre, HostStore, core_module};
use crate::{Error, Result, compile::CompiledCode, error::one_line, store::HostState};

const ID: &str = "aegis";
const MAIN: &str = "main";
const ANALYZE: &str = "analyze_request";
const DETECT: &str = "detect_bot";

pub(super) struct Aegis;

/// What a file of the ABI is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Edge,
    Waf,
    Bot,
}

impl GuestAbi for Aegis {
    fn id(&self) -> &'static str {
        ID
    }

    fn expects(&self) -> &'static str {
        "main: () -> i32, or imports hostcalls such as env.request_get_method; or alloc and analyze_request; or alloc and \
         detect_bot"
    }

    fn matches(&self, file: &FileShape) -> bool {
        kind_of(file).is_some()
    }

    fn link(&self, code: &CompiledCode, options: &AbiOptions<'_>) -> Result<Box<dyn GuestPre>> {
        let file = code.shape();
        let instance = core_module::link(ID, code.module()?, linker(code.engine())?)?;
        Ok(match kind_of(file).unwrap_or(Kind::Edge) {
            Kind::Edge => {
                let options: EdgeOptions = options.parse(ID)?;
                let hint = "`abi.entry` can name another export of this type";
                require(file, &options.entry, &[], &[ValType::I32], hint)?;
                Box::new(EdgePre::new(instance, file, options))
            }
            Kind::Waf => {
                options.refuse(ID)?;
                require_memory(file)?;
                require(file, "alloc", &[ValType::I32], &[ValType::I32], "a WAF module needs it")?;
                require(file, ANALYZE, &[ValType::I32; 2], &[ValType::I32], "a WAF module needs it")?;
                Box::new(WafPre { instance })
            }
            Kind::Bot => {
                let options: BotOptions = options.parse(ID)?;
                require_memory(file)?;
                require(file, "alloc", &[ValType::I32], &[ValType::I32], "a bot detector needs it")?;
                require(file, "dealloc", &[ValType::I32; 2], &[], "a bot detector needs it")?;
                require(file, DETECT, &[ValType::I32; 2], &[ValType::I32], "a bot detector needs it")?;
                Box::new(BotPre::new(instance, options)?)
            }
        })
    }
}

/// A function of the edge is known by what it imports; `env.log` alone tells nothing, other ABIs have one too.
fn kind_of(file: &FileShape) -> Option<Kind> {
    let exports = |name: &str| file.exports.iter().any(|export| export == name);
    if file.kind != FileKind::CoreModule {
        None
    } else if file.imports_one_of(hostcalls::MODULE, &hostcalls::TELLING) {
        Some(Kind::Edge)
    } else if exports("alloc") && exports(ANALYZE) {
        Some(Kind::Waf)
    } else if exports("alloc") && exports(DETECT) {
        Some(Kind::Bot)
    } else if !exports("_start") && file.function(MAIN) == Some(&FuncType::new([], [ValType::I32])) {
        Some(Kind::Edge)
    } else {
        None
    }
}

fn require(file: &FileShape, name: &str, params: &[ValType], results: &[ValType], hint: &str) -> Result<()> {
    let wanted = FuncType::new(params.iter().copied(), results.iter().copied());
    let found = match file.function(name) {
        Some(found) if *found == wanted => return Ok(()),
        Some(found) => format!("exports `{name}` as {}", signature(found)),
        None => format!("exports no function `{name}`"),
    };
    let reason = format!("it {found}, and it has to be {}; {hint}", signature(&wanted));
    Err(Error::Link { abi: ID, reason })
}

fn require_memory(file: &FileShape) -> Result<()> {
    if file.exports.iter().any(|export| export == "memory") {
        return Ok(());
    }
    Err(Error::Link { abi: ID, reason: "it exports no `memory`, which requests are written to".into() })
}

fn signature(ty: &FuncType) -> String {
    let list = |types: &[ValType]| types.iter().map(ValType::to_string).collect::<Vec<_>>().join(", ");
    match ty.results() {
        [] => format!("({})", list(ty.params())),
        results => format!("({}) -> {}", list(ty.params()), list(results)),
    }
}

fn linker(engine: &Engine) -> Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    let linked = core_module::link_wasi(&mut linker).and_then(|()| hostcalls::link(&mut linker));
    linked.map_err(|error| Error::Engine { reason: one_line(&error) })?;
    Ok(linker)
}

/// Has a module of the reactor kind set itself up.
async fn initialize(instance: &Instance, store: &mut HostStore) -> wasmtime::Result<()> {
    match instance.get_typed_func::<(), ()>(&mut *store, "_initialize") {
        Ok(initialize) => initialize.call_async(store, ()).await,
        Err(_) => Ok(()),
    }
}
