//! The request, as it now is: what a function sets there it reads there.

use bytes::Bytes;
use serde::Serializer;
use wasmtime::{Caller, Linker, Result};

use super::{Answer, At, DONE, MODULE, begin, edited, text, told};
use crate::{
    abi::aegis::call::EdgeCall,
    message::{ExchangeState, Headers},
    store::HostState,
};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<()> {
    type From<'a> = Caller<'a, HostState>;

    linker.func_wrap(MODULE, "request_get_method", |mut caller: From<'_>| {
        get(&mut caller, |call, exchange| call.buffer.put(exchange.request.method.as_str().as_bytes()))
    })?;
    linker.func_wrap(MODULE, "request_get_uri", |mut caller: From<'_>| {
        get(&mut caller, |call, exchange| call.buffer.put(exchange.request.uri.path().as_bytes()))
    })?;
    linker.func_wrap(MODULE, "request_get_body", |mut caller: From<'_>| {
        get(&mut caller, |call, _| call.buffer.share(call.replaced_body.as_ref().unwrap_or(&call.request_body).clone()))
    })?;
    linker.func_wrap(MODULE, "request_get_header_names", |mut caller: From<'_>| get(&mut caller, put_names))?;
    linker.func_wrap(MODULE, "request_get_header", |mut caller: From<'_>, name: u32, len: u32| {
        told(header(&mut caller, name, len))
    })?;
    linker.func_wrap(
        MODULE,
        "request_set_header",
        |mut caller: From<'_>, name: u32, name_len: u32, value: u32, value_len: u32| {
            told(edit(&mut caller, (name, name_len), (value, value_len), |headers, name, value| {
                headers.set(name, value)
            }))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "request_add_header",
        |mut caller: From<'_>, name: u32, name_len: u32, value: u32, value_len: u32| {
            told(edit(&mut caller, (name, name_len), (value, value_len), |headers, name, value| {
                headers.append(name, value)
            }))
        },
    )?;
    linker.func_wrap(MODULE, "request_remove_header", |mut caller: From<'_>, name: u32, len: u32| {
        told(remove(&mut caller, name, len))
    })?;
    linker.func_wrap(MODULE, "request_set_body", |mut caller: From<'_>, ptr: u32, len: u32| {
        told(set_body(&mut caller, ptr, len))
    })?;
    Ok(())
}

fn get(caller: &mut Caller<'_, HostState>, put: impl FnOnce(&mut EdgeCall, &mut ExchangeState) -> i32) -> Result<i32> {
    let state = caller.data_mut();
    state.count_hostcall()?;
    let (call, exchange) = state.call_in_exchange()?;
    Ok(put(call, exchange))
}

fn put_names(call: &mut EdgeCall, exchange: &mut ExchangeState) -> i32 {
    let names = exchange.request.headers.iter().map(|(name, _)| name.as_str());
    call.buffer.fill(|json| {
        // Texts can always be written, and to memory too.
        let _ = serde_json::Serializer::new(json).collect_seq(names);
    })
}

fn header(caller: &mut Caller<'_, HostState>, name: u32, len: u32) -> Answer {
    let Some((memory, state)) = begin(caller)? else { return Ok(None) };
    let Some(name) = text(&memory, state, (name, len)) else { return Ok(None) };
    let (call, exchange) = state.call_in_exchange::<EdgeCall>()?;
    let value = exchange.request.headers.get(name);
    Ok(value.map(|value| call.buffer.put(value.as_bytes())))
}

fn edit(
    caller: &mut Caller<'_, HostState>,
    name: At,
    value: At,
    edit: impl FnOnce(&mut Headers<'_>, &str, &[u8]) -> Result<(), crate::message::EditError>,
) -> Answer {
    let Some((memory, state)) = begin(caller)? else { return Ok(None) };
    let (Some(name), Some(value)) = (text(&memory, state, name), text(&memory, state, value)) else {
        return Ok(None);
    };
    let (_, exchange) = state.call_in_exchange::<EdgeCall>()?;
    let (request, budget) = exchange.edit_request();
    let edit = edit(&mut Headers { map: &mut request.headers, budget }, name, value.as_bytes());
    edited(edit.map(|()| DONE), "request", state)
}

fn remove(caller: &mut Caller<'_, HostState>, name: u32, len: u32) -> Answer {
    let Some((memory, state)) = begin(caller)? else { return Ok(None) };
    let Some(name) = text(&memory, state, (name, len)) else { return Ok(None) };
    let (_, exchange) = state.call_in_exchange::<EdgeCall>()?;
    let (request, budget) = exchange.edit_request();
    let removed = Headers { map: &mut request.headers, budget }.remove(name);
    edited(removed.map(|removed| i32::try_from(removed).unwrap_or(i32::MAX)), "request", state)
}

fn set_body(caller: &mut Caller<'_, HostState>, ptr: u32, len: u32) -> Answer {
    let Some((memory, state)) = begin(caller)? else { return Ok(None) };
    let Ok(body) = memory.read(ptr, len) else { return Ok(None) };
    if body.len() > state.plugin.limits.body_bytes {
        return Ok(None);
    }
    let (call, _) = state.call_in_exchange::<EdgeCall>()?;
    call.replaced_body = Some(Bytes::copy_from_slice(body));
    Ok(Some(DONE))
}
