//! Calls over HTTP. The guest gets the body, whatever the status.

use bytes::Bytes;
use wasmtime::{Caller, Linker, Result};

use super::{Answer, At, MODULE, begin, told};
use crate::{
    LogLevel,
    abi::{GuestBytes, aegis::call::EdgeCall},
    capability::WholeCall,
    store::HostState,
};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<()> {
    for (name, method) in [("http_get", "GET"), ("http_delete", "DELETE")] {
        linker.func_wrap_async(
            MODULE,
            name,
            move |mut caller: Caller<'_, HostState>, (url, url_len): (u32, u32)| {
                let sent = Sent { method, url: (url, url_len), content: None };
                Box::new(async move { told(sent.send(&mut caller).await) })
            },
        )?;
    }
    type Pointers = (u32, u32, u32, u32, u32, u32);
    for (name, method) in [("http_post", "POST"), ("http_put", "PUT")] {
        linker.func_wrap_async(
            MODULE,
            name,
            move |mut caller: Caller<'_, HostState>, (url, url_len, body, body_len, of, of_len): Pointers| {
                let content = Some(((body, body_len), (of, of_len)));
                let sent = Sent { method, url: (url, url_len), content };
                Box::new(async move { told(sent.send(&mut caller).await) })
            },
        )?;
    }
    Ok(())
}

/// A call, as the guest points at it.
#[derive(Clone, Copy)]
struct Sent {
    method: &'static str,
    url: At,
    /// The body, and its type.
    content: Option<(At, At)>,
}

impl Sent {
    async fn send(self, caller: &mut Caller<'_, HostState>) -> Answer {
        let Some((memory, state)) = begin(caller)? else { return Ok(None) };
        let Some(call) = self.read(&memory, state.plugin.limits.hostcall_bytes) else { return Ok(None) };
        let state = caller.data_mut();
        let response = match state.send(call).await {
            Ok(response) => response,
            Err(error) => {
                if error.denial().is_none() {
                    state.log(LogLevel::Warn, "host", &format!("http: a call failed: {error}"));
                }
                return Ok(None);
            }
        };
        let call: &mut EdgeCall = state.call_state()?;
        Ok(Some(call.buffer.share(response.into_body())))
    }

    fn read(self, memory: &GuestBytes<'_>, most: usize) -> Option<WholeCall> {
        let url = memory.text(self.url.0, self.url.1).ok().filter(|url| url.len() <= most)?;
        let (mut headers, mut body) = (Vec::new(), Bytes::new());
        if let Some(((body_ptr, body_len), (of, of_len))) = self.content {
            let content = memory.read(body_ptr, body_len).ok().filter(|content| content.len() <= most)?;
            body = Bytes::copy_from_slice(content);
            let content_type = memory.text(of, of_len).ok().filter(|content_type| content_type.len() <= most)?;
            if !content_type.is_empty() {
                headers.push(("content-type".to_owned(), content_type.as_bytes().to_vec()));
            }
        }
        let (method, target) = (self.method.to_owned(), WholeCall::to_url(url));
        Some(WholeCall { method, target, headers, body, timeout: None, redirects: None })
    }
}
