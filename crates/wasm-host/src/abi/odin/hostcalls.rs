//! Guest → host: the functions of `env`.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use http::{HeaderMap, Response};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use wasmtime::{Caller, Linker, Result};

use super::{allocator::Allocator, headers, json};
use crate::{
    LogLevel,
    abi::{GuestBytes, GuestMemory},
    capability::WholeCall,
    store::{HostState, HostStop},
};

const ENV: &str = "env";

/// What hostcalls need of the instance that makes them.
pub(super) struct HostSide {
    /// Where their results go.
    pub(super) allocator: Option<Allocator>,
}

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<()> {
    linker.func_wrap(ENV, "log", log)?;
    linker.func_wrap(ENV, "get_time", get_time)?;
    linker.func_wrap(ENV, "abort", abort)?;
    linker.func_wrap_async(ENV, "get_config", |caller, (key,)| Box::new(get_config(caller, key)))?;
    linker.func_wrap_async(ENV, "http_call", |caller, (method, url, headers, body)| {
        Box::new(http_call(caller, HttpCallTexts { method, url, headers, body }))
    })?;
    Ok(())
}

fn log(mut caller: Caller<'_, HostState>, ptr: u32, len: u32) -> Result<()> {
    let memory = GuestMemory::of_caller(&mut caller)?;
    let (bytes, state) = memory.split(&mut caller);
    state.count_hostcall()?;
    if len > hostcall_bytes(state) {
        return Err(wasmtime::Error::msg(format!("`log` was handed {len} bytes")));
    }
    state.log(LogLevel::Info, "", &String::from_utf8_lossy(bytes.read(ptr, len)?));
    Ok(())
}

fn get_time(mut caller: Caller<'_, HostState>) -> Result<i64> {
    let state = caller.data_mut();
    state.count_hostcall()?;
    let now = state.plugin.sources.clock.wall();
    let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
}

/// AssemblyScript's way to trap: message and file are strings of its own, in UTF-16 with their length in front.
fn abort(mut caller: Caller<'_, HostState>, message: u32, file: u32, line: u32, column: u32) -> Result<()> {
    let memory = GuestMemory::of_caller(&mut caller)?;
    let (bytes, state) = memory.split(&mut caller);
    let [message, file] = [message, file].map(|ptr| assembly_script_text(&bytes, ptr));
    let words = format!("{} at {}:{line}:{column}", message.unwrap_or_default(), file.unwrap_or_default());
    Err(HostStop::Aborted(format!("aborted: {}", state.plugin.config.redact(&words))).into())
}

/// A string of AssemblyScript; none for the null pointer and for what is no string.
fn assembly_script_text(memory: &GuestBytes<'_>, ptr: u32) -> Option<String> {
    const LONGEST: u32 = 4 << 10;
    let len = memory.read(ptr.checked_sub(4)?, 4).ok()?;
    let len = u32::from_le_bytes(len.try_into().ok()?);
    let text = memory.read(ptr, len.min(LONGEST)).ok()?;
    let (units, _) = text.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    Some(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

async fn get_config(mut caller: Caller<'_, HostState>, key: u32) -> Result<u32> {
    let memory = GuestMemory::of_caller(&mut caller)?;
    let (bytes, state) = memory.split(&mut caller);
    state.count_hostcall()?;
    let key = bytes.c_text(key, hostcall_bytes(state))?;
    let Some(value) = state.plugin.config.get(key).map(str::to_owned) else { return Ok(0) };
    Ok(give(&mut caller, memory, value.as_bytes()).await?.unwrap_or(0))
}

/// Where the texts of a call are.
struct HttpCallTexts {
    method: u32,
    url: u32,
    headers: u32,
    body: u32,
}

async fn http_call(mut caller: Caller<'_, HostState>, texts: HttpCallTexts) -> Result<u32> {
    let memory = GuestMemory::of_caller(&mut caller)?;
    let (bytes, state) = memory.split(&mut caller);
    state.count_hostcall()?;
    let answer = match texts.read(&bytes, hostcall_bytes(state))? {
        Ok(call) => state.send(call).await.map_err(|error| error.to_string()),
        Err(reason) => Err(reason),
    };
    match answer {
        Ok(response) => Ok(give_response(&mut caller, memory, &response).await?.unwrap_or(0)),
        Err(reason) => {
            caller.data_mut().log(LogLevel::Warn, "host", &format!("http_call: {reason}"));
            Ok(0)
        }
    }
}

impl HttpCallTexts {
    /// The call, or why it is none. Headers and body may be the null pointer.
    fn read(&self, memory: &GuestBytes<'_>, limit: u32) -> Result<Result<WholeCall, String>> {
        let optional = |ptr: u32| if ptr == 0 { Ok("") } else { memory.c_text(ptr, limit) };
        let (method, url) = (memory.c_text(self.method, limit)?, memory.c_text(self.url, limit)?);
        let (headers, body) = (optional(self.headers)?, optional(self.body)?);
        Ok(headers_of(headers).map(|headers| WholeCall {
            method: method.to_owned(),
            target: WholeCall::to_url(url),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
            timeout: None,
            redirects: None,
        }))
    }
}

/// A JSON object whose values are a text or a list of them.
fn headers_of(json: &str) -> std::result::Result<Vec<(String, Vec<u8>)>, String> {
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    let headers: BTreeMap<String, TextOrTexts> =
        serde_json::from_str(json).map_err(|error| format!("the headers are no JSON object of texts: {error}"))?;
    let mut pairs = Vec::new();
    for (name, values) in headers {
        pairs.extend(values.0.into_iter().map(|value| (name.clone(), value.into_bytes())));
    }
    Ok(pairs)
}

struct TextOrTexts(Vec<String>);

impl<'de> Deserialize<'de> for TextOrTexts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(TextsVisitor).map(Self)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Vec<String>, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> std::result::Result<Vec<String>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list))
    }
}

/// The response as the guest sees it: five numbers, and what two of them point to.
async fn give_response(
    caller: &mut Caller<'_, HostState>,
    memory: GuestMemory,
    response: &Response<Bytes>,
) -> Result<Option<u32>> {
    let headers = headers_json(response.headers());
    let Some(headers_ptr) = give(caller, memory, &headers).await? else { return Ok(None) };
    let Some(body_ptr) = give(caller, memory, response.body()).await? else { return Ok(None) };
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let status = u32::from(response.status().as_u16());
    let fields = [status, headers_ptr, length(&headers), body_ptr, length(response.body())];
    give(caller, memory, fields.map(u32::to_le_bytes).as_flattened()).await
}

fn headers_json(map: &HeaderMap) -> Vec<u8> {
    let mut json = Vec::new();
    json::object(&mut json, |members| headers::write(members, map));
    json
}

/// Writes bytes and a NUL to memory that the guest gives for them; none when it gives none.
async fn give(caller: &mut Caller<'_, HostState>, memory: GuestMemory, bytes: &[u8]) -> Result<Option<u32>> {
    let allocator = caller.data_mut().call_state::<HostSide>()?.allocator.clone();
    let Some(allocator) = allocator else {
        let message = "a result has no place: the plugin exports neither `malloc` nor `alloc`";
        caller.data_mut().log(LogLevel::Warn, "host", message);
        return Ok(None);
    };
    let mut ended = Vec::with_capacity(bytes.len() + 1);
    ended.extend_from_slice(bytes);
    ended.push(0);
    let size = u32::try_from(ended.len()).unwrap_or(u32::MAX);
    caller.data_mut().begin_allocation()?;
    let ptr = allocator.allocate(&mut *caller, size).await?;
    caller.data_mut().end_allocation();
    if let Some(ptr) = ptr {
        memory.write(caller, ptr, &ended)?;
    }
    Ok(ptr)
}

fn hostcall_bytes(state: &HostState) -> u32 {
    u32::try_from(state.plugin.limits.hostcall_bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_are_texts_or_lists_of_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        assert_eq!(headers_of(" "), Ok(Vec::new()));
        assert_eq!(
            headers_of(r#"{"b":"1","a":["2","3"],"c":[]}"#),
            Ok(vec![pair("a", "2"), pair("a", "3"), pair("b", "1")])
        );
        for bad in ["[]", "{", r#"{"a":1}"#, r#"{"a":[1]}"#, "null"] {
            assert!(headers_of(bad).unwrap_err().starts_with("the headers are no JSON object"), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_headers_are_read_or_refused(text: String) {
            let is_object = serde_json::from_str::<serde_json::Map<_, _>>(&text).is_ok();
            prop_assert!(is_object || text.trim().is_empty() || headers_of(&text).is_err());
        }
    }
}
