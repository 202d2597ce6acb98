//! Guest → host: calls over HTTP.

use std::time::Duration;

use wasmtime::Result;

use super::bindings::wasm_host::plugin::http_call::{self, HttpCallError, Request, Response, Target};
use crate::{HttpCallError as CallError, capability::WholeCall, store::HostState};

impl http_call::Host for HostState {
    async fn send(&mut self, request: Request) -> Result<Result<Response, HttpCallError>> {
        self.count_hostcall()?;
        let sent = HostState::send(self, call_of(request)).await;
        Ok(sent.map(|response| response_of(&response)).map_err(HttpCallError::from))
    }
}

fn call_of(request: Request) -> WholeCall {
    WholeCall {
        method: request.method,
        target: match request.target {
            Target::Url(url) => WholeCall::to_url(&url),
            Target::Service(service) => WholeCall::to_service(service.name, &service.path_with_query),
        },
        headers: request.headers,
        body: request.body.into(),
        timeout: request.timeout_ms.map(|milliseconds| Duration::from_millis(milliseconds.into())),
        redirects: request.redirects,
    }
}

fn response_of(response: &http::Response<bytes::Bytes>) -> Response {
    let headers = response.headers().iter();
    Response {
        status: response.status().as_u16(),
        headers: headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(),
        body: response.body().to_vec(),
    }
}

impl From<CallError> for HttpCallError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Denied { what, .. } => Self::Denied(what),
            CallError::AddressDenied { host, .. } => Self::Denied(format!("the addresses of `{host}`")),
            CallError::Invalid(what) => Self::Invalid(what),
            CallError::Unavailable(what) => Self::Unavailable(what),
            CallError::Dns { source, .. } => Self::Dns(source.to_string()),
            CallError::Connect(error) => Self::Connect(error.to_string()),
            CallError::ConnectTimeout => Self::Connect("it took too long".into()),
            CallError::Tls(error) => Self::Tls(error.to_string()),
            CallError::Timeout => Self::Timeout,
            CallError::Protocol(error) => Self::Protocol(error.to_string()),
            CallError::RequestTooLarge(_) => Self::RequestTooLarge,
            CallError::ResponseTooLarge(_) => Self::ResponseTooLarge,
            CallError::TooManyCalls(_) | CallError::TooManyAtOnce(_) => Self::TooMany,
            CallError::TooManyRedirects(_) => Self::TooManyRedirects,
        }
    }
}
