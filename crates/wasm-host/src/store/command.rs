//! One run of a command, in a store of its own, which is gone afterwards.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime_wasi::I32Exit;

use super::{
    HostState, Link, PluginContext, open, place_of_trap,
    stdio::{Captured, OutputFull},
    wasi::CommandIo,
};
use crate::{CommandError, CommandLimit, CommandOutput, abi::CommandPre, meter::Overrun};

/// Makes an instance and runs it to its end, both within `limits.wall`. Dropping the future stops the guest.
pub(crate) async fn run_command(
    engine: &Engine,
    plugin: &Arc<PluginContext>,
    pre: &CommandPre,
    program: &Arc<str>,
    stdin: Bytes,
    output_bound: usize,
) -> Result<CommandOutput, CommandError> {
    let link = Link::new(plugin);
    let meter = &link.meter;
    let mut store = open(engine, plugin, &link).map_err(|full| CommandError::Saturated { reason: full.to_string() })?;
    let stdout = Captured::new(output_bound);
    store.data_mut().wasi.command = Some(CommandIo { program: Arc::clone(program), stdin, stdout: stdout.clone() });

    meter.start(plugin.limits.cpu, plugin.limits.wall);
    let ended = meter.drive(pre.run(&mut store)).await;
    let duration = meter.took().duration;
    let state = store.data_mut();
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => {}
        Ok(Err(error)) => return Err(failure(&error, state)),
        Err(overrun) => return Err(over_time(overrun, state)),
    }
    Ok(CommandOutput { stdout: stdout.take(), stderr: state.take_stderr(), duration })
}

fn over_time(overrun: Overrun, state: &mut HostState) -> CommandError {
    CommandError::Limit { limit: CommandLimit::Time, reason: overrun.to_string(), stderr: state.take_stderr() }
}

/// What an error that ended a run means, by type and never by text.
fn failure(error: &wasmtime::Error, state: &mut HostState) -> CommandError {
    if let Some(overrun) = error.downcast_ref::<Overrun>() {
        return over_time(*overrun, state);
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return CommandError::Saturated { reason: error.to_string() };
    }
    let stderr = state.take_stderr();
    if let Some(full) = error.downcast_ref::<OutputFull>() {
        return CommandError::Limit { limit: CommandLimit::Output, reason: full.to_string(), stderr };
    }
    if let Some(reason) = state.limiter.take_denied() {
        return CommandError::Limit { limit: CommandLimit::Memory, reason, stderr };
    }
    match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(code)) => CommandError::Exit { code: *code, stderr },
        None => CommandError::Trap { reason: place_of_trap(error), stderr },
    }
}
