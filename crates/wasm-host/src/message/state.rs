use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, LazyLock, atomic::AtomicU32},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, request::Parts as RequestParts, response::Parts as ResponseParts};

use super::EditBudget;
use crate::body::BodyReading;

/// Bytes of names and values that the properties of one exchange may hold.
const PROPERTY_BYTES: usize = 64 << 10;
const PROPERTY_NAME_BYTES: usize = 256;

/// What a host tells plugins about one request.
#[derive(Clone, Debug)]
pub struct ExchangeFacts {
    /// The request's id, the same in the host's logs.
    pub id: String,
    /// The name of the route that matched.
    pub route: Option<Arc<str>>,
    /// The name of the service the route leads to.
    pub service: Option<Arc<str>>,
    /// The client's address.
    pub client_address: Option<IpAddr>,
    /// How the client's connection is secured; none when it is not, or nobody knows.
    pub tls: Option<Arc<TlsFacts>>,
    /// When the request arrived.
    pub received_at: SystemTime,
    /// The services that a plugin may send the request to, when it is granted to choose.
    pub services: Arc<[Arc<str>]>,
    /// The trace that the request is part of, for the calls of plugins: the `traceparent` header (W3C Trace Context).
    pub traceparent: Option<HeaderValue>,
    /// What belongs to it: the `tracestate` header.
    pub tracestate: Option<HeaderValue>,
}

/// How a client's connection is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: String,
    /// The cipher suite by its IANA name.
    pub cipher_suite: Option<String>,
    /// The name that the client asked for (RFC 6066 3).
    pub server_name: Option<String>,
    /// The protocol that was agreed on (RFC 7301), such as `h2`.
    pub alpn: Option<String>,
}

/// What plugins said about how a request is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Routing {
    /// The service that it goes to, in place of the route's own.
    pub service: Option<Arc<str>>,
    /// How long the response's headers may take, in place of the route's own timeout.
    pub timeout: Option<Duration>,
    /// How often it is sent again when a server fails it, and sending it again can do no harm.
    pub retries: u32,
}

impl Routing {
    /// Whether plugins said nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for ExchangeFacts {
    fn default() -> Self {
        static NO_SERVICES: LazyLock<Arc<[Arc<str>]>> = LazyLock::new(|| Arc::from([]));
        Self {
            id: String::new(),
            route: None,
            service: None,
            client_address: None,
            tls: None,
            received_at: SystemTime::now(),
            services: Arc::clone(&NO_SERVICES),
            traceparent: None,
            tracestate: None,
        }
    }
}

type PropertyValue = Box<[u8]>;

/// Everything of one exchange that a guest may reach. It moves into the store for a call, and back out.
#[derive(Debug)]
pub(crate) struct ExchangeState {
    pub(crate) facts: Arc<ExchangeFacts>,
    pub(crate) request: RequestParts,
    pub(crate) response: ResponseParts,
    pub(crate) phase: Phase,
    pub(crate) routing: Routing,
    pub(crate) edits: EditBudget,
    /// How the plugin of this call wants to read the body, when it said so.
    pub(crate) reading: Option<BodyReading>,
    /// The trailers of the body of this call, where they are there.
    pub(crate) trailers: Option<HeaderMap>,
    properties: HashMap<Box<str>, PropertyValue>,
    property_bytes: usize,
    /// Calls over HTTP that each plugin has made.
    http_calls: Vec<(Arc<str>, Arc<AtomicU32>)>,
    undo: Undo,
    routing_before: Routing,
    /// Properties that this call has set, each with the value it had before the call.
    properties_before: Vec<(Box<str>, Option<PropertyValue>)>,
    trailers_before: Option<HeaderMap>,
}

/// When a plugin is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// A new instance takes its configuration.
    Configure,
    /// The request's headers are there.
    Request,
    /// The request's body is there, or some of it.
    RequestBody,
    /// The response's headers are there.
    Response,
    /// The response's body is there, or some of it.
    ResponseBody,
    /// A plugin or the upstream failed.
    Error,
    /// The exchange is over.
    Complete,
    /// Time has passed, outside of any exchange.
    Tick,
}

impl Phase {
    /// Each phase of an exchange, in the order of its life.
    pub const OF_AN_EXCHANGE: [Self; 6] =
        [Self::Request, Self::RequestBody, Self::Response, Self::ResponseBody, Self::Error, Self::Complete];

    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Request => "request",
            Self::RequestBody => "request-body",
            Self::Response => "response",
            Self::ResponseBody => "response-body",
            Self::Error => "error",
            Self::Complete => "complete",
            Self::Tick => "tick",
        }
    }
}

/// The message as it was before a call, kept from the first edit on.
#[derive(Debug)]
enum Undo {
    /// A failure ends this message: there is nothing to go back to.
    Unwanted,
    /// No edit yet.
    Untouched,
    Request(Box<RequestParts>),
    Response(Box<ResponseParts>),
}

/// Why a property was not set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PropertyError {
    InvalidName,
    TooLarge,
}

impl ExchangeState {
    pub(crate) fn boxed(facts: Arc<ExchangeFacts>, request: RequestParts) -> Box<Self> {
        // Allocated first, it is written where it stays.
        Box::write(
            Box::new_uninit(),
            Self {
                facts,
                request,
                response: http::Response::new(()).into_parts().0,
                phase: Phase::Request,
                routing: Routing::default(),
                edits: EditBudget::new(0),
                reading: None,
                trailers: None,
                properties: HashMap::new(),
                property_bytes: 0,
                http_calls: Vec::new(),
                undo: Undo::Unwanted,
                routing_before: Routing::default(),
                properties_before: Vec::new(),
                trailers_before: None,
            },
        )
    }

    /// That of an exchange whose request nobody has shown.
    pub(crate) fn blank(facts: Arc<ExchangeFacts>) -> Box<Self> {
        Self::boxed(facts, http::Request::new(()).into_parts().0)
    }

    /// Gets ready for one call of one plugin.
    pub(crate) fn begin_call(&mut self, phase: Phase, header_bytes: usize, undo_wanted: bool) {
        self.phase = phase;
        self.edits = EditBudget::new(header_bytes);
        self.reading = None;
        self.routing_before.clone_from(&self.routing);
        self.properties_before.clear();
        self.trailers_before.clone_from(&self.trailers);
        self.undo = if undo_wanted { Undo::Untouched } else { Undo::Unwanted };
    }

    /// How many calls over HTTP a plugin has made, to be counted on.
    pub(crate) fn http_calls(&mut self, plugin: &Arc<str>) -> &Arc<AtomicU32> {
        let index = self.http_calls.iter().position(|(name, _)| name == plugin).unwrap_or_else(|| {
            self.http_calls.push((Arc::clone(plugin), Arc::default()));
            self.http_calls.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found there, or put there")]
        &self.http_calls[index].1
    }

    /// Whether the request has not been sent.
    pub(crate) fn may_choose(&self) -> bool {
        matches!(self.phase, Phase::Request | Phase::RequestBody) && self.edits.headers_open
    }

    /// The request, to be edited.
    pub(crate) fn edit_request(&mut self) -> (&mut RequestParts, &mut EditBudget) {
        if matches!(self.undo, Undo::Untouched) {
            self.undo = Undo::Request(Box::new(self.request.clone()));
        }
        (&mut self.request, &mut self.edits)
    }

    /// The response, to be edited.
    pub(crate) fn edit_response(&mut self) -> (&mut ResponseParts, &mut EditBudget) {
        if matches!(self.undo, Undo::Untouched) {
            self.undo = Undo::Response(Box::new(self.response.clone()));
        }
        (&mut self.response, &mut self.edits)
    }

    /// Undoes the edits and the choices of the failed call.
    pub(crate) fn roll_back(&mut self) {
        self.routing.clone_from(&self.routing_before);
        self.trailers.clone_from(&self.trailers_before);
        for (name, before) in std::mem::take(&mut self.properties_before) {
            self.put_property(&name, before);
        }
        match std::mem::replace(&mut self.undo, Undo::Unwanted) {
            Undo::Request(request) => self.request = *request,
            Undo::Response(response) => self.response = *response,
            Undo::Untouched | Undo::Unwanted => {}
        }
    }

    pub(crate) fn property(&self, name: &str) -> Option<&[u8]> {
        self.properties.get(name).map(|value| &**value)
    }

    pub(crate) fn set_property(&mut self, name: &str, value: &[u8]) -> Result<(), PropertyError> {
        if name.is_empty() || name.len() > PROPERTY_NAME_BYTES {
            return Err(PropertyError::InvalidName);
        }
        let replaced = self.properties.get(name).map_or(0, |old| name.len() + old.len());
        let bytes = self.property_bytes - replaced + name.len() + value.len();
        if bytes > PROPERTY_BYTES {
            return Err(PropertyError::TooLarge);
        }
        let before = self.put_property(name, Some(value.into()));
        let is_first = self.properties_before.iter().all(|(known, _)| **known != *name);
        if is_first && !matches!(self.undo, Undo::Unwanted) {
            self.properties_before.push((name.into(), before));
        }
        Ok(())
    }

    /// Sets or removes a property, and gives the value it had.
    fn put_property(&mut self, name: &str, value: Option<PropertyValue>) -> Option<PropertyValue> {
        let size = |value: &[u8]| name.len() + value.len();
        let added = value.as_deref().map_or(0, size);
        let before = match value {
            Some(value) => self.properties.insert(name.into(), value),
            None => self.properties.remove(name),
        };
        self.property_bytes = self.property_bytes + added - before.as_deref().map_or(0, size);
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_bounded_in_sum() {
        let mut state = ExchangeState::blank(Arc::default());
        let half = vec![0; PROPERTY_BYTES / 2];
        assert_eq!(state.set_property("a", &half), Ok(()));
        assert_eq!(state.set_property("b", &half), Err(PropertyError::TooLarge));
        assert_eq!(state.set_property("a", b"small"), Ok(()));
        assert_eq!(state.set_property("b", &half), Ok(()));
        assert_eq!(state.set_property("", b""), Err(PropertyError::InvalidName));
        assert_eq!(state.property("a"), Some(&b"small"[..]));
    }

    #[test]
    fn a_failed_call_leaves_no_properties() {
        let mut state = ExchangeState::blank(Arc::default());
        state.begin_call(Phase::Request, 0, true);
        assert_eq!(state.set_property("a", b"kept"), Ok(()));
        state.begin_call(Phase::Request, 0, true);
        for (name, value) in [("a", "1"), ("a", "2"), ("b", "3")] {
            assert_eq!(state.set_property(name, value.as_bytes()), Ok(()));
        }
        state.roll_back();
        assert_eq!((state.property("a"), state.property("b")), (Some(&b"kept"[..]), None));
        assert_eq!(state.property_bytes, 5);
    }
}
