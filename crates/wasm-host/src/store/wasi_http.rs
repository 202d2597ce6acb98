//! `wasi:http` for guests: its resources are wasmtime's, its calls go the way of all calls.

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicU32},
};

use http_body_util::BodyExt;
use parking_lot::Mutex;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{
    Error, FieldMap, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    p2::{
        body::{HostFutureTrailers, HostIncomingBody, HostOutgoingBody},
        types::{HostFutureIncomingResponse, HostIncomingResponse, HostOutgoingRequest},
    },
};

use super::HostState;
use crate::{
    Body, HttpCallError,
    capability::{PluginHttp, StreamOptions, TraceContext},
};

/// What was denied: the key that would grant it, and what it was.
type Denial = (&'static str, String);
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Io), Error>;

/// The `wasi:http` of one instance.
pub(crate) struct WasiHttp {
    ctx: WasiHttpCtx,
    calls: Calls,
}

/// Makes the calls.
struct Calls {
    http: Arc<PluginHttp>,
    trace: TraceContext,
    made: Arc<AtomicU32>,
    /// Some are found only when a name is resolved, beside the guest. There from the first call on.
    denials: Option<Arc<Mutex<Vec<Denial>>>>,
}

impl WasiHttp {
    pub(super) fn new(http: &Arc<PluginHttp>, header_bytes: usize) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(header_bytes);
        let calls =
            Calls { http: Arc::clone(http), trace: TraceContext::default(), made: Arc::default(), denials: None };
        Self { ctx, calls }
    }
}

impl HostState {
    /// For a call of the guest: it belongs to the exchange that is under way.
    pub(crate) fn outgoing_http(&mut self) -> WasiHttpCtxView<'_> {
        self.wasi_http.calls.trace = self.trace();
        self.wasi_http.calls.made = Arc::clone(self.http_calls());
        self.http()
    }

    /// Logs what was denied to calls since this was done last.
    pub(super) fn log_denied_calls(&mut self) {
        let Some(denials) = &self.wasi_http.calls.denials else { return };
        let denials = std::mem::take(&mut *denials.lock());
        for (key, what) in denials {
            self.denied("http", key, &what);
        }
    }

    /// Whether the guest holds requests, responses or parts of them, which would go on into the next exchange.
    pub(super) fn holds_http(&mut self) -> bool {
        holds_http(&mut self.table)
    }
}

impl WasiHttpView for HostState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.wasi_http.calls, table: &mut self.table, ctx: &mut self.wasi_http.ctx }
    }
}

impl WasiHttpHooks for Calls {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let options = options.map_or_else(StreamOptions::default, |options| StreamOptions {
            connect: options.connect_timeout,
            headers: options.first_byte_timeout,
        });
        let sending = self.http.stream(request.map(Body::new), options, self.trace.clone(), &self.made);
        let denials = Arc::clone(self.denials.get_or_insert_default());
        Box::new(async move {
            let sent = match sending {
                Ok(sending) => sending.await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(response) => Ok((response.map(wasi_body), Box::new(async { Ok(()) }) as Io)),
                Err(error) => {
                    denials.lock().extend(error.denial());
                    Err(wasi_error(&error))
                }
            }
        })
    }
}

fn wasi_body(body: Body) -> WasiBody {
    let broken = |error: crate::BodyError| error.downcast_ref().map_or(Error::HttpResponseIncomplete, wasi_error);
    body.map_err(broken).boxed_unsync()
}

fn wasi_error(error: &HttpCallError) -> Error {
    use HttpCallError as E;

    match error {
        E::Denied { .. } => Error::HttpRequestDenied,
        E::AddressDenied { .. } => Error::DestinationIpProhibited,
        E::Invalid(_) => Error::HttpRequestUriInvalid,
        E::Unavailable(_) => Error::DestinationUnavailable,
        E::Dns { .. } => Error::DnsError { rcode: None, info_code: None },
        E::Connect(_) => Error::ConnectionRefused,
        E::ConnectTimeout => Error::ConnectionTimeout,
        E::Tls(_) => Error::TlsProtocolError,
        E::Timeout => Error::HttpResponseTimeout,
        E::Protocol(_) => Error::HttpProtocolError,
        E::RequestTooLarge(bytes) => Error::HttpRequestBodySize(Some(*bytes)),
        E::ResponseTooLarge(bytes) => Error::HttpResponseBodySize(Some(*bytes)),
        E::TooManyCalls(_) | E::TooManyAtOnce(_) => Error::ConnectionLimitReached,
        E::TooManyRedirects(_) => Error::LoopDetected,
    }
}

/// Streams of bodies and what is waited for are children of these, and cannot outlive them.
fn holds_http(table: &mut ResourceTable) -> bool {
    table.iter_mut().any(|entry| {
        entry.is::<FieldMap>()
            || entry.is::<RequestOptions>()
            || entry.is::<HostOutgoingRequest>()
            || entry.is::<HostOutgoingBody>()
            || entry.is::<HostFutureIncomingResponse>()
            || entry.is::<HostIncomingResponse>()
            || entry.is::<HostIncomingBody>()
            || entry.is::<HostFutureTrailers>()
    })
}
