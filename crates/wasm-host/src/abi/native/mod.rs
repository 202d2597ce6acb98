//! The native ABI, `wasm-host:plugin@0.1.0`: a component that exports our phases.

mod bindings;
mod body;
mod cache;
mod exchange;
mod guest;
mod hostcalls;
mod http_call;
mod imports;
mod kv;
mod log;
mod measure;
mod queue;
mod rate_limit;

use wasmtime::{
    Engine,
    component::{HasSelf, Linker},
};

use self::{bindings::exports::wasm_host::plugin as phases, guest::NativePre};
use crate::{
    Error, Result,
    abi::{AbiOptions, FileKind, FileShape, GuestAbi, GuestPre, component, core_module::misfit},
    compile::CompiledCode,
    error::one_line,
    store::HostState,
};

const ID: &str = "native";
const PACKAGE: &str = "wasm-host:plugin/";
const VERSION: &str = "@0.1.0";

/// One of these makes a component a plugin.
const CALLED: [&str; 7] = [
    "request-phase",
    "request-body-phase",
    "response-phase",
    "response-body-phase",
    "error-phase",
    "complete-phase",
    "tick-phase",
];

pub(super) struct Native;

/// The request of the call, for the length of the call.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct RequestHandle;
/// The response of the call, for the length of the call.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct ResponseHandle;

impl GuestAbi for Native {
    fn id(&self) -> &'static str {
        ID
    }

    fn expects(&self) -> &'static str {
        "one or more of wasm-host:plugin/{request-phase, request-body-phase, response-phase, response-body-phase, \
         error-phase, complete-phase, tick-phase}@0.1.0"
    }

    fn matches(&self, file: &FileShape) -> bool {
        file.kind == FileKind::Component && CALLED.iter().any(|phase| exports(&file.exports, phase))
    }

    fn link(&self, code: &CompiledCode, options: &AbiOptions<'_>) -> Result<Box<dyn GuestPre>> {
        let instance = component::link(ID, code.component()?, linker(code.engine())?, &imports::OFFERED)?;
        options.refuse(ID)?;
        macro_rules! indices {
            ($phase:ident, $name:literal) => {
                exports(&code.shape().exports, $name)
                    .then(|| phases::$phase::GuestIndices::new(&instance))
                    .transpose()
                    .map_err(|error| misfit(ID, &error))?
            };
        }
        Ok(Box::new(NativePre {
            configure: indices!(configure_phase, "configure-phase"),
            request: indices!(request_phase, "request-phase"),
            request_body: indices!(request_body_phase, "request-body-phase"),
            response: indices!(response_phase, "response-phase"),
            response_body: indices!(response_body_phase, "response-body-phase"),
            error: indices!(error_phase, "error-phase"),
            complete: indices!(complete_phase, "complete-phase"),
            tick: indices!(tick_phase, "tick-phase"),
            instance,
        }))
    }
}

fn exports(exports: &[String], phase: &str) -> bool {
    exports.iter().any(|export| {
        export.strip_prefix(PACKAGE).and_then(|export| export.strip_suffix(VERSION)).is_some_and(|name| name == phase)
    })
}

fn linker(engine: &Engine) -> Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    link_host(&mut linker).map_err(|error| Error::Engine { reason: one_line(&error) })?;
    Ok(linker)
}

fn link_host(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    use bindings::{
        wasi::{
            config::store,
            keyvalue::{atomics, batch, store as keyvalue},
            logging::logging,
        },
        wasm_host::plugin::{
            cache as plugin_cache, exchange as facts, http_call, kv, log as plugin_log, metrics, properties, queue,
            rate_limit, types, upstream,
        },
    };

    use wasmtime_wasi_http::{WasiHttp, WasiHttpView, p2::bindings::http as wasi};

    fn state(state: &mut HostState) -> &mut HostState {
        state
    }

    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasi::types::add_to_linker::<_, WasiHttp>(linker, &wasi::types::LinkOptions::default(), HostState::http)?;
    wasi::outgoing_handler::add_to_linker::<_, WasiHttp>(linker, HostState::outgoing_http)?;
    http_call::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    types::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    facts::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    properties::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    plugin_log::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    metrics::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    rate_limit::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    queue::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    keyvalue::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    atomics::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    batch::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    kv::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    plugin_cache::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    upstream::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    logging::add_to_linker::<_, HasSelf<HostState>>(linker, state)?;
    store::add_to_linker::<_, HasSelf<HostState>>(linker, state)
}
