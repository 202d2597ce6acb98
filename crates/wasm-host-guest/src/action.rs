use crate::{EditError, Result, bindings::imports::wasm_host::plugin::types};

/// What a plugin decides in a phase.
#[derive(Debug)]
pub enum Action {
    /// Go on with the message as it now is.
    Continue,
    /// Send this answer instead.
    Respond(LocalResponse),
}

impl Action {
    /// Answers with a status, no headers and an empty body.
    pub fn respond(status: u16) -> Result<Self> {
        Ok(Self::Respond(LocalResponse::new(status)?))
    }
}

impl From<LocalResponse> for Action {
    fn from(response: LocalResponse) -> Self {
        Self::Respond(response)
    }
}

impl From<Action> for types::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::Continue => Self::Continue,
            Action::Respond(response) => Self::Respond(response.0),
        }
    }
}

/// What a plugin decides about a failure.
#[derive(Debug)]
pub enum ErrorAction {
    /// Nothing: the next plugin is asked, and in the end the host answers.
    Continue,
    /// Send this answer.
    Respond(LocalResponse),
    /// Send the request again, to this service, or to the same. Needs [`Failure::retryable`](crate::Failure).
    Retry(Option<String>),
}

impl From<LocalResponse> for ErrorAction {
    fn from(response: LocalResponse) -> Self {
        Self::Respond(response)
    }
}

/// An answer made by the plugin itself.
#[derive(Debug)]
pub struct LocalResponse(pub(crate) types::LocalResponse);

impl LocalResponse {
    /// An answer with this status, 200 to 599, no headers and an empty body.
    pub fn new(status: u16) -> Result<Self, EditError> {
        types::LocalResponse::new(status).map(Self)
    }

    /// Sets a header, replacing its values.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, EditError> {
        self.0.set_header(name, value.as_ref())?;
        Ok(self)
    }

    /// Adds a value behind those the header has.
    pub fn append_header(self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, EditError> {
        self.0.append_header(name, value.as_ref())?;
        Ok(self)
    }

    /// Sets the body. The host sets `content-length`.
    pub fn body(self, body: impl AsRef<[u8]>) -> Result<Self, EditError> {
        self.0.set_body(body.as_ref())?;
        Ok(self)
    }

    /// Sets the body to this value as JSON, and the content type with it.
    #[cfg(feature = "json")]
    pub fn json(self, value: &impl serde::Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json")?.body(body)?)
    }
}
