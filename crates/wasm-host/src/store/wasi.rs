//! WASI of one instance: time, random numbers, standard streams, and nothing else. Each version is made when the guest
//! first asks for it. A command has its input and its name besides.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use bytes::Bytes;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, p1::WasiP1Ctx, p2::pipe::MemoryInputPipe};

use super::{
    HostState, PluginContext,
    stdio::{Captured, Output},
};
use crate::capability::GuestOutput;

/// Random bytes a guest may ask for at once.
const RANDOM_BYTES: u64 = 64 << 10;

pub(crate) struct Wasi {
    plugin: Arc<PluginContext>,
    /// Which instance of the plugin it is.
    ordinal: u64,
    pub(super) stdout: GuestOutput,
    pub(super) stderr: GuestOutput,
    pub(super) command: Option<CommandIo>,
    p1: Option<Box<WasiP1Ctx>>,
    p2: Option<WasiCtx>,
}

/// What a command has of the host, in the place of a plugin's.
pub(super) struct CommandIo {
    /// Its `argv[0]`.
    pub(super) program: Arc<str>,
    pub(super) stdin: Bytes,
    pub(super) stdout: Captured,
}

impl Wasi {
    pub(super) fn new(plugin: &Arc<PluginContext>) -> Self {
        Self {
            ordinal: plugin.instances.fetch_add(1, Relaxed),
            stdout: GuestOutput::new(plugin.limits.log_bytes),
            stderr: GuestOutput::new(plugin.limits.log_bytes),
            command: None,
            p1: None,
            p2: None,
            plugin: Arc::clone(plugin),
        }
    }

    fn builder(
        plugin: &PluginContext,
        ordinal: u64,
        [stdout, stderr]: [&GuestOutput; 2],
        command: Option<&CommandIo>,
    ) -> WasiCtxBuilder {
        let mut builder = WasiCtx::builder();
        builder
            .stdout(Output(stdout.clone()))
            .stderr(Output(stderr.clone()))
            .allow_tcp(false)
            .allow_udp(false)
            .max_random_size(RANDOM_BYTES);
        if let Some(CommandIo { program, stdin, stdout }) = command {
            builder.arg(program).stdin(MemoryInputPipe::new(stdin.clone())).stdout(stdout.clone());
        }
        plugin.sources.give(&mut builder, &plugin.name, ordinal);
        builder
    }
}

impl HostState {
    /// WASI preview 1.
    pub(crate) fn wasi_p1(&mut self) -> &mut WasiP1Ctx {
        let Wasi { plugin, ordinal, stdout, stderr, command, p1, .. } = &mut self.wasi;
        p1.get_or_insert_with(|| {
            Box::new(Wasi::builder(plugin, *ordinal, [stdout, stderr], command.as_ref()).build_p1())
        })
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Wasi { plugin, ordinal, stdout, stderr, command, p2, .. } = &mut self.wasi;
        let ctx = p2.get_or_insert_with(|| Wasi::builder(plugin, *ordinal, [stdout, stderr], command.as_ref()).build());
        WasiCtxView { ctx, table: &mut self.table }
    }
}
