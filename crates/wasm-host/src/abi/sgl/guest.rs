//! Host → guest: a message by value, and what the guest makes of it.

use bytes::Bytes;
use http::HeaderMap;
use wasmtime::component::{ComponentExportIndex, InstancePre, TypedFunc};

use super::{
    edits::{Ignored, answer_of, edit_headers, reject},
    options::Attached,
    records::{Decision, Modify, Request, Response, ShownRequest, ShownResponse},
};
use crate::{
    BodyMode, BodyReading, LogLevel, Phases, WatchedFailures,
    abi::{BoxFuture, Declared, Guest, GuestError, GuestPre, GuestResult, HostStore},
    error::one_line,
    exchange::GuestFailure,
    message::{BodyAction, BodyPiece, EditError, ErrorAction, ExchangeState, Headers, LocalResponse, set_status},
    store::{HostState, HostStop},
};

type OnRequest = TypedFunc<(Request<'static>,), (Decision,)>;
type OnResponse = TypedFunc<(Response<'static>,), (Decision,)>;

pub(super) struct SglPre {
    pub(super) instance: InstancePre<HostState>,
    pub(super) on_request: Option<ComponentExportIndex>,
    pub(super) on_response: Option<ComponentExportIndex>,
    pub(super) attached: Attached,
}

impl GuestPre for SglPre {
    fn phases(&self) -> Phases {
        let Attached { request, response, error } = self.attached;
        Phases { request_body: request, response_body: response, error, ..Phases::default() }
    }

    fn instantiate<'a>(&'a self, store: &'a mut HostStore) -> BoxFuture<'a, wasmtime::Result<Box<dyn Guest>>> {
        Box::pin(async move {
            let instance = self.instance.instantiate_async(&mut *store).await?;
            let misfit = |error: wasmtime::Error| HostStop::Misfit(one_line(&error));
            let on_request = self.on_request.as_ref().map(|export| instance.get_typed_func(&mut *store, export));
            let on_request = on_request.transpose().map_err(misfit)?;
            let on_response = self.on_response.as_ref().map(|export| instance.get_typed_func(&mut *store, export));
            let on_response = on_response.transpose().map_err(misfit)?;
            Ok(Box::new(SglGuest { on_request, on_response, attached: self.attached }) as Box<dyn Guest>)
        })
    }
}

struct SglGuest {
    on_request: Option<OnRequest>,
    on_response: Option<OnResponse>,
    attached: Attached,
}

impl Guest for SglGuest {
    fn declare<'a>(&'a mut self, store: &'a mut HostStore) -> BoxFuture<'a, GuestResult<Declared>> {
        let bytes = u32::try_from(store.data().plugin.limits.body_bytes).unwrap_or(u32::MAX);
        let Attached { request, response, error } = self.attached;
        let reads = |is_called| if is_called { BodyMode::Buffer(bytes).into() } else { BodyReading::default() };
        let declared = Declared {
            request_body: reads(request),
            response_body: reads(response),
            // What the upstream answers, whatever its status, is a response.
            failures: WatchedFailures { unreachable: error, plugins: error, server_errors: false },
            whole_messages: true,
            ..Declared::default()
        };
        Box::pin(async move { Ok(declared) })
    }

    fn on_request_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let (Some(on_request), BodyPiece::Whole(body)) = (self.on_request, piece) else {
                return Ok(BodyAction::Pass);
            };
            let now = store.data().plugin.sources.clock.wall();
            let shown = ShownRequest::of(exchange(store)?, now);
            let (decision,) = on_request.call_async(&mut *store, (shown.record(&body),)).await?;
            match decision {
                Decision::Continue => Ok(BodyAction::Pass),
                Decision::Reject(status) => Ok(BodyAction::Respond(Box::new(answer_of(status).map_err(invalid)?))),
                Decision::Modify(modify) => {
                    if modify.edits_headers() {
                        let (request, budget) = exchange(store)?.edit_request();
                        let headers = &mut Headers { map: &mut request.headers, budget };
                        let ignored = edit_headers(headers, &modify).map_err(invalid)?;
                        tell(store, &ignored);
                    }
                    Ok(replacement(modify))
                }
            }
        })
    }

    fn on_response_body<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        piece: BodyPiece,
    ) -> BoxFuture<'a, GuestResult<BodyAction>> {
        Box::pin(async move {
            let (Some(on_response), BodyPiece::Whole(body)) = (self.on_response, piece) else {
                return Ok(BodyAction::Pass);
            };
            let shown = ShownResponse::of(exchange(store)?);
            let (decision,) = on_response.call_async(&mut *store, (shown.record(&body),)).await?;
            match decision {
                Decision::Continue => Ok(BodyAction::Pass),
                Decision::Reject(status) => {
                    reject(&mut exchange(store)?.edit_response().0.status, status);
                    Ok(BodyAction::Stop)
                }
                Decision::Modify(modify) => {
                    let (response, budget) = exchange(store)?.edit_response();
                    if let Some(status) = modify.status {
                        // One that is none changes nothing.
                        drop(set_status(&mut response.status, status));
                    }
                    let headers = &mut Headers { map: &mut response.headers, budget };
                    let ignored = edit_headers(headers, &modify).map_err(invalid)?;
                    tell(store, &ignored);
                    Ok(replacement(modify))
                }
            }
        })
    }

    /// The failure is shown as the response that the host is about to send, as far as the host knows it.
    fn on_error<'a>(
        &'a mut self,
        store: &'a mut HostStore,
        failure: &'a GuestFailure,
    ) -> BoxFuture<'a, GuestResult<ErrorAction>> {
        Box::pin(async move {
            let Some(on_response) = self.on_response else { return Ok(ErrorAction::Continue) };
            let shown = ShownResponse { status: failure.status, headers: HeaderMap::new() };
            let (decision,) = on_response.call_async(&mut *store, (shown.record(&[]),)).await?;
            let answer = match decision {
                Decision::Continue => return Ok(ErrorAction::Continue),
                Decision::Reject(status) => answer_of(status).map_err(invalid)?,
                Decision::Modify(modify) => {
                    let mut answer = answer_of(failure.status.as_u16()).map_err(invalid)?;
                    let ignored = modify_answer(&mut answer, exchange(store)?, modify).map_err(invalid)?;
                    tell(store, &ignored);
                    answer
                }
            };
            Ok(ErrorAction::Respond(Box::new(answer)))
        })
    }
}

fn modify_answer(
    answer: &mut LocalResponse,
    exchange: &mut ExchangeState,
    modify: Modify,
) -> Result<Ignored, EditError> {
    if let Some(status) = modify.status {
        drop(set_status(&mut answer.status, status));
    }
    let headers = &mut Headers { map: &mut answer.headers, budget: &mut exchange.edits };
    let ignored = edit_headers(headers, &modify)?;
    answer.body = modify.body_replace.map_or_else(Bytes::new, Bytes::from);
    Ok(ignored)
}

fn replacement(modify: Modify) -> BodyAction {
    modify.body_replace.map_or(BodyAction::Pass, |body| BodyAction::Replace(body.into()))
}

fn exchange(store: &mut HostStore) -> wasmtime::Result<&mut ExchangeState> {
    Ok(store.data_mut().exchange.as_deref_mut().ok_or(HostStop::NoExchange)?)
}

fn tell(store: &mut HostStore, ignored: &Ignored) {
    if let Some(message) = ignored.message() {
        store.data_mut().log(LogLevel::Warn, "host", &message);
    }
}

fn invalid(error: EditError) -> GuestError {
    GuestError::Invalid(error.to_string())
}
