use std::{future::Future, time::Duration};

use crate::{Action, BodyAction, BodyReading, BodyStream, Config, ErrorAction, Piece, Request, Response, Result};

pub use crate::{
    adapter::{Adapter, Slot, Streams},
    bindings::{
        complete::exports::wasm_host::plugin::complete_phase::{Decision, Summary},
        error::exports::wasm_host::plugin::error_phase::{Failure, Failures},
    },
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

/// The body of a request, a piece at a time.
pub trait OnRequestBody: Plugin {
    /// How the plugin reads it. Asked once, after the plugin was configured.
    fn request_body(&self) -> BodyReading;

    /// Decides about one piece. The request's headers can be edited while they are held.
    fn on_request_body(&mut self, request: &Request<'_>, piece: Piece) -> Result<BodyAction>;
}

/// The body of a request, to iterate over.
pub trait OnRequestStream: Plugin {
    /// How the plugin reads it. Asked once, after the plugin was configured.
    fn request_body(&self) -> BodyReading;

    /// Reads the body. The future takes along what it needs of the plugin.
    fn on_request_stream(&mut self, body: BodyStream) -> impl Future<Output = Result<()>> + 'static;
}

/// The response phase: the response's headers are there, the client has not seen them.
pub trait OnResponse: Plugin {
    /// Decides about a response.
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action>;
}

/// The body of a response, a piece at a time.
pub trait OnResponseBody: Plugin {
    /// How the plugin reads it. Asked once, after the plugin was configured.
    fn response_body(&self) -> BodyReading;

    /// Decides about one piece. The response's headers can be edited while they are held.
    fn on_response_body(&mut self, response: &Response<'_>, piece: Piece) -> Result<BodyAction>;
}

/// The body of a response, to iterate over.
pub trait OnResponseStream: Plugin {
    /// How the plugin reads it. Asked once, after the plugin was configured.
    fn response_body(&self) -> BodyReading;

    /// Reads the body. The future takes along what it needs of the plugin.
    fn on_response_stream(&mut self, body: BodyStream) -> impl Future<Output = Result<()>> + 'static;
}

/// The error phase: the upstream failed, or a plugin that fails closed.
pub trait OnError: Plugin {
    /// The failures that the plugin sees. Asked once, after the plugin was configured. By default those of upstreams from
    /// which no response could be had.
    fn failures(&self) -> Failures {
        Failures::UNREACHABLE
    }

    /// May answer in the host's place, or have the request sent again: with the edits that are made here.
    fn on_error(&mut self, request: &Request<'_>, failure: Failure) -> Result<ErrorAction>;
}

/// The tick phase: called every now and then, outside of requests.
///
/// The instance is one of the plugin's pool. With a pool of fresh instances it is a new one each time; what the plugin's
/// other instances are to see goes to the cache, the key-value store or a queue.
pub trait OnTick: Plugin {
    /// How long after one tick the next one comes; at least 10 milliseconds. Asked once, after the plugin was configured;
    /// the operator's config comes before it.
    fn interval(&self) -> Duration;

    /// Does what is due. An error fails this tick; the next one comes.
    fn on_tick(&mut self) -> Result<()>;
}

/// The complete phase: the exchange is over.
pub trait OnComplete: Plugin {
    /// Takes note of how it went.
    fn on_complete(&mut self, summary: Summary);
}
