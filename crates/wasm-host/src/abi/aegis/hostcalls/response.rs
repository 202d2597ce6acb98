//! The response that there will be.

use bytes::Bytes;
use wasmtime::{Caller, Linker, Result};

use super::{Answer, At, DONE, MODULE, begin, edited, text, told};
use crate::{
    abi::aegis::{call::EdgeCall, changes::ResponseChanges},
    message::EditError,
    store::HostState,
};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<()> {
    type From<'a> = Caller<'a, HostState>;

    linker.func_wrap(MODULE, "response_set_status", |mut caller: From<'_>, status: i32| {
        told(status_of(&mut caller, |changes| changes.set_status(status)))
    })?;
    linker.func_wrap(MODULE, "request_terminate", |mut caller: From<'_>, status: i32| {
        told(status_of(&mut caller, |changes| changes.terminate(status)))
    })?;
    linker.func_wrap(
        MODULE,
        "response_set_header",
        |mut caller: From<'_>, name: u32, name_len: u32, value: u32, value_len: u32| {
            told(edit(&mut caller, (name, name_len), (value, value_len), ResponseChanges::set_header))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "response_add_header",
        |mut caller: From<'_>, name: u32, name_len: u32, value: u32, value_len: u32| {
            told(edit(&mut caller, (name, name_len), (value, value_len), ResponseChanges::add_header))
        },
    )?;
    linker.func_wrap(MODULE, "response_remove_header", |mut caller: From<'_>, name: u32, len: u32| {
        told(remove(&mut caller, name, len))
    })?;
    linker.func_wrap(MODULE, "response_set_body", |mut caller: From<'_>, ptr: u32, len: u32| {
        told(set_body(&mut caller, ptr, len))
    })?;
    Ok(())
}

fn status_of(caller: &mut Caller<'_, HostState>, set: impl FnOnce(&mut ResponseChanges) -> Option<()>) -> Answer {
    let state = caller.data_mut();
    state.count_hostcall()?;
    let (call, _) = state.call_in_exchange::<EdgeCall>()?;
    Ok(set(&mut call.response).map(|()| DONE))
}

fn edit(
    caller: &mut Caller<'_, HostState>,
    name: At,
    value: At,
    edit: fn(&mut ResponseChanges, &str, &[u8]) -> Result<(), EditError>,
) -> Answer {
    let Some((memory, state)) = begin(caller)? else { return Ok(None) };
    let (Some(name), Some(value)) = (text(&memory, state, name), text(&memory, state, value)) else {
        return Ok(None);
    };
    let (call, _) = state.call_in_exchange::<EdgeCall>()?;
    let edit = edit(&mut call.response, name, value.as_bytes());
    edited(edit.map(|()| DONE), "response", state)
}

fn remove(caller: &mut Caller<'_, HostState>, name: u32, len: u32) -> Answer {
    let Some((memory, state)) = begin(caller)? else { return Ok(None) };
    let Some(name) = text(&memory, state, (name, len)) else { return Ok(None) };
    let (call, _) = state.call_in_exchange::<EdgeCall>()?;
    let removed = call.response.remove_header(name);
    edited(removed.map(|removed| i32::try_from(removed).unwrap_or(i32::MAX)), "response", state)
}

fn set_body(caller: &mut Caller<'_, HostState>, ptr: u32, len: u32) -> Answer {
    let Some((memory, state)) = begin(caller)? else { return Ok(None) };
    let Ok(body) = memory.read(ptr, len) else { return Ok(None) };
    if body.len() > state.plugin.limits.response_body {
        return Ok(None);
    }
    let (call, _) = state.call_in_exchange::<EdgeCall>()?;
    call.response.set_body(Bytes::copy_from_slice(body));
    Ok(Some(DONE))
}
