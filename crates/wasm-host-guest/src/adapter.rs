//! Between the generated bindings and a plugin.

use std::{cell::RefCell, marker::PhantomData};

use crate::{
    Config, ErrorAction, Failure, Failures, OnComplete, OnError, OnRequest, OnRequestBody, OnRequestStream, OnResponse,
    OnResponseBody, OnResponseStream, OnTick, Plugin, Request, Response, Result, Summary,
    bindings::{self, error::exports::wasm_host::plugin::error_phase, imports::wasm_host::plugin::types},
    body::lowered,
    stream::{BodyTask, Trailers},
};

/// Where the instance keeps its plugin. Written by [`export!`](crate::export).
#[doc(hidden)]
pub trait Slot: Plugin {
    fn with<T>(use_it: impl FnOnce(&mut Option<Self>) -> T) -> T;
}

/// Stands between the generated bindings and a plugin.
#[doc(hidden)]
#[derive(Debug)]
pub struct Adapter<P>(PhantomData<P>);

fn call<P: Slot, T>(phase: impl FnOnce(&mut P) -> Result<T>) -> Result<T, String> {
    P::with(|plugin| match plugin {
        Some(plugin) => phase(plugin).map_err(|error| error.to_string()),
        None => Err("called before it was configured".into()),
    })
}

impl<P: Slot> bindings::configure::exports::wasm_host::plugin::configure_phase::Guest for Adapter<P> {
    fn configure(config: String) -> Result<(), String> {
        #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
        crate::without_wasi::report_panics();
        let configured = P::configure(Config::new(config)).map_err(|error| error.to_string())?;
        P::with(|plugin| *plugin = Some(configured));
        Ok(())
    }
}

impl<P: Slot + OnRequest> bindings::request::exports::wasm_host::plugin::request_phase::Guest for Adapter<P> {
    fn on_request(request: &types::Request) -> Result<types::Action, String> {
        call::<P, _>(|plugin| plugin.on_request(&Request(request)).map(Into::into))
    }
}

impl<P: Slot + OnResponse> bindings::response::exports::wasm_host::plugin::response_phase::Guest for Adapter<P> {
    fn on_response(response: &types::Response) -> Result<types::Action, String> {
        call::<P, _>(|plugin| plugin.on_response(&Response(response)).map(Into::into))
    }
}

impl<P: Slot + OnRequestBody> bindings::request_body::exports::wasm_host::plugin::request_body_phase::Guest
    for Adapter<P>
{
    fn declare_request_body() -> types::BodyReading {
        declared(|plugin: &mut P| plugin.request_body().into())
    }

    fn on_request_body(request: &types::Request, piece: types::Piece) -> Result<types::BodyAction, String> {
        call::<P, _>(|plugin| plugin.on_request_body(&Request(request), piece.into()).map(Into::into))
    }
}

impl<P: Slot + OnResponseBody> bindings::response_body::exports::wasm_host::plugin::response_body_phase::Guest
    for Adapter<P>
{
    fn declare_response_body() -> types::BodyReading {
        declared(|plugin: &mut P| plugin.response_body().into())
    }

    fn on_response_body(response: &types::Response, piece: types::Piece) -> Result<types::BodyAction, String> {
        call::<P, _>(|plugin| plugin.on_response_body(&Response(response), piece.into()).map(Into::into))
    }
}

/// The adapter of a plugin that iterates over bodies.
#[doc(hidden)]
#[derive(Debug)]
pub struct Streams<P>(PhantomData<P>);

thread_local! {
    static REQUEST_TASK: RefCell<Option<BodyTask>> = const { RefCell::new(None) };
    static RESPONSE_TASK: RefCell<Option<BodyTask>> = const { RefCell::new(None) };
}

impl<P: Slot + OnRequestStream> bindings::request_body::exports::wasm_host::plugin::request_body_phase::Guest
    for Streams<Adapter<P>>
{
    fn declare_request_body() -> types::BodyReading {
        declared(|plugin: &mut P| plugin.request_body().into())
    }

    fn on_request_body(request: &types::Request, piece: types::Piece) -> Result<types::BodyAction, String> {
        let start = || call::<P, _>(|plugin| Ok(BodyTask::new(|body| plugin.on_request_stream(body))));
        REQUEST_TASK.with(|task| go_on(&mut task.borrow_mut(), start, piece, &Request(request)))
    }
}

impl<P: Slot + OnResponseStream> bindings::response_body::exports::wasm_host::plugin::response_body_phase::Guest
    for Streams<Adapter<P>>
{
    fn declare_response_body() -> types::BodyReading {
        declared(|plugin: &mut P| plugin.response_body().into())
    }

    fn on_response_body(response: &types::Response, piece: types::Piece) -> Result<types::BodyAction, String> {
        let start = || call::<P, _>(|plugin| Ok(BodyTask::new(|body| plugin.on_response_stream(body))));
        RESPONSE_TASK.with(|task| go_on(&mut task.borrow_mut(), start, piece, &Response(response)))
    }
}

/// Goes on with the work on a body; the first piece starts it, and the last ends it.
fn go_on(
    task: &mut Option<BodyTask>,
    start: impl FnOnce() -> Result<BodyTask, String>,
    piece: types::Piece,
    message: &dyn Trailers,
) -> Result<types::BodyAction, String> {
    let mut running = match task.take() {
        Some(running) => running,
        None => start()?,
    };
    let pushed = running.push(piece.into(), message);
    if let Ok((_, false)) = pushed {
        *task = Some(running);
    }
    lowered(pushed.map(|(action, _)| action))
}

/// How a plugin says it reads; not at all before it is configured.
fn declared<P: Slot>(say: impl FnOnce(&mut P) -> types::BodyReading) -> types::BodyReading {
    P::with(|plugin| plugin.as_mut().map(say))
        .unwrap_or(types::BodyReading { mode: types::BodyMode::None, decode: false })
}

impl<P: Slot + OnError> error_phase::Guest for Adapter<P> {
    fn declare_failures() -> Failures {
        P::with(|plugin| plugin.as_mut().map(|plugin| plugin.failures())).unwrap_or(Failures::empty())
    }

    fn on_error(request: &types::Request, failure: Failure) -> Result<error_phase::ErrorAction, String> {
        call::<P, _>(|plugin| {
            plugin.on_error(&Request(request), failure).map(|action| match action {
                ErrorAction::Continue => error_phase::ErrorAction::Continue,
                ErrorAction::Respond(response) => error_phase::ErrorAction::Respond(response.0),
                ErrorAction::Retry(service) => error_phase::ErrorAction::Retry(service),
            })
        })
    }
}

impl<P: Slot + OnTick> bindings::tick::exports::wasm_host::plugin::tick_phase::Guest for Adapter<P> {
    fn declare_tick() -> u32 {
        let interval = P::with(|plugin| plugin.as_ref().map(|plugin| plugin.interval())).unwrap_or_default();
        u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)
    }

    fn on_tick() -> Result<(), String> {
        call::<P, _>(|plugin| plugin.on_tick())
    }
}

impl<P: Slot + OnComplete> bindings::complete::exports::wasm_host::plugin::complete_phase::Guest for Adapter<P> {
    fn on_complete(summary: Summary) {
        P::with(|plugin| {
            if let Some(plugin) = plugin {
                plugin.on_complete(summary);
            }
        });
    }
}
