//! What functions keep in the host.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wasmtime::{Caller, Linker, Result};

use super::{Answer, At, DONE, MODULE, begin, told};
use crate::{
    CacheContent,
    abi::{GuestBytes, aegis::call::EdgeCall},
    capability::{CacheLifetime, CacheProblem},
    store::HostState,
};

const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 1 << 20;

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<()> {
    linker.func_wrap_async(MODULE, "cache_get", |mut caller: Caller<'_, HostState>, (key, key_len): (u32, u32)| {
        Box::new(async move { told(get(&mut caller, key, key_len).await) })
    })?;
    linker.func_wrap_async(
        MODULE,
        "cache_set",
        |mut caller: Caller<'_, HostState>, (key, key_len, value, value_len, ttl): (u32, u32, u32, u32, i32)| {
            Box::new(async move { told(set(&mut caller, (key, key_len), (value, value_len), ttl).await) })
        },
    )?;
    Ok(())
}

async fn get(caller: &mut Caller<'_, HostState>, key: u32, len: u32) -> Answer {
    let Some((memory, _)) = begin(caller)? else { return Ok(None) };
    let Some(key) = key_at(&memory, (key, len)) else { return Ok(None) };
    let state = caller.data_mut();
    let plugin = Arc::clone(&state.plugin);
    let found = plugin.cache.value(&key).await;
    let found = reported(found, state).flatten();
    let call: &mut EdgeCall = state.call_state()?;
    Ok(found.map(|found| call.buffer.share(found.content)))
}

async fn set(caller: &mut Caller<'_, HostState>, key: At, (value, value_len): At, ttl: i32) -> Answer {
    let Some((memory, _)) = begin(caller)? else { return Ok(None) };
    let (Some(key), Ok(value)) = (key_at(&memory, key), memory.read(value, value_len)) else { return Ok(None) };
    if value.len() > VALUE_BYTES {
        return Ok(None);
    }
    let Ok(seconds) = u64::try_from(ttl) else { return Ok(None) };
    let lifetime = CacheLifetime { fresh: Duration::from_secs(seconds), stale: Duration::ZERO };
    let value = Bytes::copy_from_slice(value);
    let state = caller.data_mut();
    let plugin = Arc::clone(&state.plugin);
    let put = plugin.cache.put(&key, CacheContent::Value(value), lifetime).await;
    Ok(reported(put, state).map(|()| DONE))
}

fn key_at(memory: &GuestBytes<'_>, (ptr, len): At) -> Option<String> {
    if len as usize > KEY_BYTES {
        return None;
    }
    memory.text(ptr, len).ok().map(str::to_owned)
}

fn reported<T>(result: Result<T, CacheProblem>, state: &mut HostState) -> Option<T> {
    result.map_err(|problem| state.report_cache_problem(&problem)).ok()
}
