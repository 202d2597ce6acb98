//! Guest → host: the functions of the module `env`.

mod cache;
mod http;
mod request;
mod response;

use wasmtime::{Caller, Linker, Result};

use super::call::EdgeCall;
use crate::{
    LogLevel,
    abi::{GuestBytes, GuestMemory},
    message::EditError,
    store::HostState,
};

pub(super) const MODULE: &str = "env";

/// Functions that nobody imports but an edge function.
pub(super) const TELLING: [&str; 22] = [
    "cache_get",
    "cache_set",
    "http_get",
    "http_post",
    "http_put",
    "http_delete",
    "get_shared_buffer",
    "request_get_method",
    "request_get_uri",
    "request_get_body",
    "request_get_header",
    "request_get_header_names",
    "request_set_header",
    "request_add_header",
    "request_remove_header",
    "request_set_body",
    "request_terminate",
    "response_set_status",
    "response_set_header",
    "response_add_header",
    "response_remove_header",
    "response_set_body",
];

/// Functions for which the host holds the body of the request.
pub(super) const OF_REQUEST_BODIES: [&str; 2] = ["request_get_body", "request_set_body"];

/// Functions for which a function is still there when the upstream responds.
pub(super) const OF_RESPONSES: [&str; 5] = [
    "response_set_status",
    "response_set_header",
    "response_add_header",
    "response_remove_header",
    "response_set_body",
];

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<()> {
    linker
        .func_wrap(MODULE, "log", |mut caller: Caller<'_, HostState>, ptr: u32, len: u32| log(&mut caller, ptr, len))?;
    linker.func_wrap(
        MODULE,
        "get_shared_buffer",
        |mut caller: Caller<'_, HostState>, to: u32, offset: u32, len: u32| {
            told(shared_buffer(&mut caller, to, offset, len))
        },
    )?;
    request::link(linker)?;
    response::link(linker)?;
    cache::link(linker)?;
    http::link(linker)
}

/// What a hostcall answers: none, and the guest is told -1; an error, and its call ends.
type Answer = Result<Option<i32>>;

const DONE: i32 = 0;

fn told(answer: Answer) -> Result<i32> {
    Ok(answer?.unwrap_or(-1))
}

/// Counts a hostcall, and gives the guest's memory beside the host's state; none for a guest that has no memory.
fn begin<'a>(caller: &'a mut Caller<'_, HostState>) -> Result<Option<(GuestBytes<'a>, &'a mut HostState)>> {
    caller.data_mut().count_hostcall()?;
    Ok(GuestMemory::of_caller(caller).ok().map(|memory| memory.split(caller)))
}

/// What the guest is told of an edit. One of what the host manages is left out, and the operator is told.
fn edited(edit: Result<i32, EditError>, message: &str, state: &mut HostState) -> Answer {
    Ok(match edit {
        Ok(done) => Some(done),
        Err(EditError::Forbidden(name)) => {
            state.log(LogLevel::Warn, "host", &format!("{message}: `{name}` is left as it is, the host manages it"));
            Some(DONE)
        }
        Err(_) => None,
    })
}

/// Where something is in a guest's memory, and how long it is.
type At = (u32, u32);

/// A text that the guest hands over; none when it is too long, or is none.
fn text<'a>(memory: &'a GuestBytes<'_>, state: &HostState, (ptr, len): At) -> Option<&'a str> {
    if len as usize > state.plugin.limits.hostcall_bytes {
        return None;
    }
    memory.text(ptr, len).ok()
}

fn log(caller: &mut Caller<'_, HostState>, ptr: u32, len: u32) -> Result<()> {
    if let Some((memory, state)) = begin(caller)?
        && let Some(message) = text(&memory, state, (ptr, len))
    {
        state.log(LogLevel::Info, "", message);
    }
    Ok(())
}

fn shared_buffer(caller: &mut Caller<'_, HostState>, to: u32, offset: u32, len: u32) -> Answer {
    let Some((mut memory, state)) = begin(caller)? else { return Ok(None) };
    let call: &mut EdgeCall = state.call_state()?;
    let Some(part) = call.buffer.part(offset, len) else { return Ok(None) };
    let written = memory.write(to, part);
    Ok(written.ok().and_then(|()| i32::try_from(len).ok()))
}
