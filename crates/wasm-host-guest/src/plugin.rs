use std::marker::PhantomData;

use crate::{
    Action, Config, Request, Response, Result,
    bindings::{self, imports::wasm_host::plugin::types},
};

pub use bindings::{
    complete::exports::wasm_host::plugin::complete_phase::Summary,
    error::exports::wasm_host::plugin::error_phase::Failure,
};

/// A plugin: what it is made of once it has its configuration.
///
/// One value lives in each instance. Whether an instance serves one exchange or many is the operator's choice: state
/// kept in the value may be seen by later requests.
pub trait Plugin: Sized + 'static {
    /// Takes the configuration. An error refuses it: the plugin does not start, and the operator reads the text.
    fn configure(config: Config) -> Result<Self>;
}

/// The request phase: the request's headers are there, the upstream has not seen it.
pub trait OnRequest: Plugin {
    /// Decides about a request. An error is handled by the plugin's failure policy.
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action>;
}

/// The response phase: the response's headers are there, the client has not seen them.
pub trait OnResponse: Plugin {
    /// Decides about a response.
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action>;
}

/// The error phase: no response could be had from the upstream.
pub trait OnError: Plugin {
    /// May answer in the host's place.
    fn on_error(&mut self, failure: Failure) -> Result<Action>;
}

/// The complete phase: the exchange is over.
pub trait OnComplete: Plugin {
    /// Takes note of how it went.
    fn on_complete(&mut self, summary: Summary);
}

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

impl<P: Slot + OnError> bindings::error::exports::wasm_host::plugin::error_phase::Guest for Adapter<P> {
    fn on_error(failure: Failure) -> Result<types::Action, String> {
        call::<P, _>(|plugin| plugin.on_error(failure).map(Into::into))
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
