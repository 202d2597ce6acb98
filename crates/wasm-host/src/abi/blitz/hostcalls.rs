//! Guest → host.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use super::{
    functions::{Function, Text},
    strings::{Allocator, Placed, as_text},
};
use crate::{
    LogLevel, Phase,
    abi::{GuestBytes, GuestMemory},
    message::{EditError, ExchangeState, Headers},
    store::{HostState, HostStop},
};

/// What the hostcalls of an instance need to know of the call that is under way.
pub(super) struct CallState {
    pub(super) allocator: Allocator,
    /// The body of the message, as text.
    pub(super) body: Bytes,
    /// The headers that the guest has set in this call.
    pub(super) set: HeaderMap,
}

/// A function of the host, as an import of one type has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostCall {
    Log,
    SetHeader,
    Text(Text, Given),
    Throw,
    Ignore,
    NoTable,
}

/// How a guest is given a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Pointer and length are stored at the first parameter. The guest's allocator makes the room.
    Stored,
    /// Pointer and length are the two halves of the result. The guest's allocator makes the room.
    Packed,
    /// It is copied into a buffer, the last two parameters. The result is its length.
    Copied,
}

/// A hostcall with what makes no sense.
#[derive(Debug, thiserror::Error)]
enum ArgumentError {
    #[error("it was given {0} bytes")]
    TooLarge(u32),
    #[error("a text of {0} bytes has no length that an i32 can hold")]
    TooLong(usize),
}

impl HostCall {
    /// None for a type that the function does not have.
    pub(super) fn of(function: Function, ty: &FuncType) -> Option<Self> {
        let params = ty.params().len();
        let takes_numbers = ty.params().all(|param| param.is_i32());
        let result = match (ty.result(0), ty.results().len()) {
            (None, _) => None,
            (Some(result), 1) => Some(result),
            _ => return None,
        };
        let call = match (function, params, result) {
            (Function::Log, 4, None) => Self::Log,
            (Function::SetHeader, 4, None) => Self::SetHeader,
            (Function::Text(text), _, None) if params == text.params() + 1 => Self::Text(text, Given::Stored),
            (Function::Text(text), _, Some(ValType::I64)) if params == text.params() => Self::Text(text, Given::Packed),
            (Function::Text(text), _, Some(ValType::I32)) if params == text.params() + 2 => {
                Self::Text(text, Given::Copied)
            }
            (Function::Throw, 2, None) => Self::Throw,
            (Function::Ignore, 0 | 1, None) => Self::Ignore,
            (Function::NoTable, 1, Some(ValType::I32)) => Self::NoTable,
            _ => return None,
        };
        takes_numbers.then_some(call)
    }
}

/// Defines one import.
pub(super) fn define(
    linker: &mut Linker<HostState>,
    (module, name): (&str, &str),
    ty: FuncType,
    call: HostCall,
) -> wasmtime::Result<()> {
    linker.func_new_async(module, name, ty, move |caller, params, results| {
        Box::new(async move {
            if let (Some(result), Some(place)) = (run(call, caller, params).await?, results.first_mut()) {
                *place = result;
            }
            Ok(())
        })
    })?;
    Ok(())
}

async fn run(call: HostCall, mut caller: Caller<'_, HostState>, params: &[Val]) -> wasmtime::Result<Option<Val>> {
    let param = |index| params.get(index).and_then(Val::i32).unwrap_or_default().cast_unsigned();
    caller.data_mut().count_hostcall()?;
    match call {
        HostCall::Log => log(&mut caller, placed(param(0), param(1)), placed(param(2), param(3))).map(|()| None),
        HostCall::SetHeader => {
            set_header(&mut caller, placed(param(0), param(1)), placed(param(2), param(3))).map(|()| None)
        }
        HostCall::Text(text, given) => {
            let first = usize::from(given == Given::Stored);
            let name = placed(param(first), param(first + 1));
            let found = match text {
                Text::Header => header(&mut caller, name)?,
                Text::Env => env(&mut caller, name)?,
                Text::Body => caller.data_mut().call_state::<CallState>().ok().map(|state| state.body.clone()),
            };
            let after = text.params();
            match given {
                Given::Stored => store(&mut caller, param(0), found.unwrap_or_default()).await.map(|()| None),
                Given::Packed => pack(&mut caller, found.unwrap_or_default()).await.map(Some),
                Given::Copied => copy(&mut caller, placed(param(after), param(after + 1)), found).map(Some),
            }
        }
        HostCall::Throw => Err(thrown(&mut caller, placed(param(0), param(1)))?.into()),
        HostCall::Ignore => Ok(None),
        HostCall::NoTable => Ok(Some(Val::I32(-1))),
    }
}

fn log(caller: &mut Caller<'_, HostState>, level: Placed, message: Placed) -> wasmtime::Result<()> {
    let (bytes, state) = GuestMemory::of_caller(caller)?.split(caller);
    let level = level_of(text(&bytes, state, level)?);
    state.log(level, "", text(&bytes, state, message)?);
    Ok(())
}

fn level_of(name: &str) -> LogLevel {
    const LEVELS: [(&str, LogLevel); 8] = [
        ("trace", LogLevel::Trace),
        ("debug", LogLevel::Debug),
        ("info", LogLevel::Info),
        ("warn", LogLevel::Warn),
        ("warning", LogLevel::Warn),
        ("error", LogLevel::Error),
        ("critical", LogLevel::Critical),
        ("fatal", LogLevel::Critical),
    ];
    LEVELS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(LogLevel::Info, |(_, level)| *level)
}

fn set_header(caller: &mut Caller<'_, HostState>, name: Placed, value: Placed) -> wasmtime::Result<()> {
    let (bytes, state) = GuestMemory::of_caller(caller)?.split(caller);
    let (name, value) = (text(&bytes, state, name)?, text(&bytes, state, value)?);
    let exchange = state.exchange.as_deref_mut().ok_or(HostStop::NoExchange)?;
    let (map, budget) = if is_about_the_request(exchange) {
        let (request, budget) = exchange.edit_request();
        (&mut request.headers, budget)
    } else {
        let (response, budget) = exchange.edit_response();
        (&mut response.headers, budget)
    };
    let mut headers = Headers { map, budget };
    match headers.set(name, value.as_bytes()) {
        Ok(()) => {
            let set = HeaderName::try_from(name).ok().and_then(|name| Some((headers.map.get(&name)?.clone(), name)));
            if let Some((value, name)) = set {
                state.call_state::<CallState>()?.set.insert(name, value);
            }
            Ok(())
        }
        Err(EditError::Forbidden(name)) => {
            state.log(LogLevel::Warn, "host", &format!("set_header: ignored, the host manages `{name}`"));
            Ok(())
        }
        Err(error) => {
            let reason = format!("set_header: {error}");
            Err(HostStop::Invalid(brief(&state.plugin.config.redact_secrets(&reason))).into())
        }
    }
}

fn header(caller: &mut Caller<'_, HostState>, name: Placed) -> wasmtime::Result<Option<Bytes>> {
    let (bytes, state) = GuestMemory::of_caller(caller)?.split(caller);
    let name = text(&bytes, state, name)?;
    let Some(exchange) = state.exchange.as_deref() else { return Ok(None) };
    let headers = if is_about_the_request(exchange) { &exchange.request.headers } else { &exchange.response.headers };
    Ok(headers.get(name).map(|value| as_text(Bytes::copy_from_slice(value.as_bytes()))))
}

fn env(caller: &mut Caller<'_, HostState>, name: Placed) -> wasmtime::Result<Option<Bytes>> {
    let (bytes, state) = GuestMemory::of_caller(caller)?.split(caller);
    Ok(state.env(text(&bytes, state, name)?).map(Bytes::from))
}

/// What the guest throws ends the call.
fn thrown(caller: &mut Caller<'_, HostState>, message: Placed) -> wasmtime::Result<HostStop> {
    let (bytes, state) = GuestMemory::of_caller(caller)?.split(caller);
    let message = text(&bytes, state, message)?;
    Ok(HostStop::Aborted(format!("threw: {}", brief(&state.plugin.config.redact(message)))))
}

/// As much of a guest's words as a failure tells.
fn brief(words: &str) -> String {
    const BYTES: usize = 1024;
    match words.get(..words.floor_char_boundary(BYTES)) {
        Some(start) if start.len() < words.len() => format!("{start}…"),
        _ => words.to_owned(),
    }
}

async fn store(caller: &mut Caller<'_, HostState>, place: u32, text: Bytes) -> wasmtime::Result<()> {
    let Placed { ptr, len } = give(caller, text).await?;
    let pair = [ptr.to_le_bytes(), len.to_le_bytes()].concat();
    Ok(GuestMemory::of_caller(caller)?.write(caller, place, &pair)?)
}

async fn pack(caller: &mut Caller<'_, HostState>, text: Bytes) -> wasmtime::Result<Val> {
    let Placed { ptr, len } = give(caller, text).await?;
    Ok(Val::I64((u64::from(len) << 32 | u64::from(ptr)).cast_signed()))
}

fn copy(caller: &mut Caller<'_, HostState>, buffer: Placed, text: Option<Bytes>) -> wasmtime::Result<Val> {
    const ABSENT: i32 = -1;
    let Some(text) = text else { return Ok(Val::I32(ABSENT)) };
    let len = i32::try_from(text.len()).map_err(|_| ArgumentError::TooLong(text.len()))?;
    let fits = text.get(..buffer.len as usize).unwrap_or(&text);
    GuestMemory::of_caller(caller)?.write(caller, buffer.ptr, fits)?;
    Ok(Val::I32(len))
}

/// Has the guest make room for a text, which is its own from then on.
async fn give(caller: &mut Caller<'_, HostState>, text: Bytes) -> wasmtime::Result<Placed> {
    let allocator = caller.data_mut().call_state::<CallState>()?.allocator;
    caller.data_mut().begin_allocation()?;
    let placed = allocator.place(caller, &text).await?;
    caller.data_mut().end_allocation();
    Ok(placed)
}

/// A text that the guest hands over.
fn text<'a>(bytes: &'a GuestBytes<'_>, state: &HostState, Placed { ptr, len }: Placed) -> wasmtime::Result<&'a str> {
    if len as usize > state.plugin.limits.hostcall_bytes {
        return Err(ArgumentError::TooLarge(len).into());
    }
    Ok(bytes.text(ptr, len)?)
}

fn is_about_the_request(exchange: &ExchangeState) -> bool {
    matches!(exchange.phase, Phase::Request | Phase::RequestBody)
}

fn placed(ptr: u32, len: u32) -> Placed {
    Placed { ptr, len }
}
