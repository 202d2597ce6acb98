//! What happens to an exchange when a plugin fails.

use std::{collections::BTreeMap, fmt};

use http::{HeaderName, StatusCode};

/// How a call of a plugin failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FailureClass {
    /// The guest trapped: unreachable code, a bad access, a panic, a stack overflow.
    Trap,
    /// The guest computed longer than its CPU deadline.
    CpuDeadline,
    /// The call took longer than its wall-clock deadline.
    WallDeadline,
    /// The guest failed after it was refused memory or table elements.
    Memory,
    /// No instance was free, and no place in the queue.
    Saturated,
    /// The guest passed a bound on hostcalls.
    Hostcall,
    /// The guest answered something that is not an HTTP message. The native ABI refuses such edits when they are made.
    InvalidOutput,
    /// A body is larger than the plugin's bound. No phase of today's ABIs reads bodies.
    BodyTooLarge,
    /// The plugin has no code to run.
    NotLoaded,
    /// The guest itself returned an error.
    GuestError,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 10] = [
        Self::Trap,
        Self::CpuDeadline,
        Self::WallDeadline,
        Self::Memory,
        Self::Saturated,
        Self::Hostcall,
        Self::InvalidOutput,
        Self::BodyTooLarge,
        Self::NotLoaded,
        Self::GuestError,
    ];

    /// The name in configs, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::CpuDeadline => "cpu-deadline",
            Self::WallDeadline => "wall-deadline",
            Self::Memory => "memory",
            Self::Saturated => "saturated",
            Self::Hostcall => "hostcall",
            Self::InvalidOutput => "invalid-output",
            Self::BodyTooLarge => "body-too-large",
            Self::NotLoaded => "not-loaded",
            Self::GuestError => "guest-error",
        }
    }

    /// The status of a closed failure for which the policy names none.
    pub fn status(self) -> StatusCode {
        match self {
            Self::CpuDeadline | Self::WallDeadline => StatusCode::GATEWAY_TIMEOUT,
            Self::Saturated | Self::NotLoaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Bytes of a failure's message that are kept.
const MESSAGE_BYTES: usize = 1024;

/// One failed call of a plugin.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{class}: {message}")]
pub struct Failure {
    /// How it failed.
    pub class: FailureClass,
    /// What happened, for the operator's log. It never goes to a client.
    pub message: String,
}

impl Failure {
    /// A failure whose message, which may be a guest's, is cut at [`MESSAGE_BYTES`].
    pub(crate) fn new(class: FailureClass, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
            message.push('…');
        }
        Self { class, message }
    }
}

/// What the chain does when a plugin fails in the request or the response phase. In the error phase a plugin that fails
/// has no answer, and in the complete phase nothing is left to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureAction {
    /// Answer with this status; without one, with the class's own ([`FailureClass::status`]).
    Closed(Option<StatusCode>),
    /// Go on as if the plugin were not in the chain. Its edits of the failed call are undone.
    Open,
    /// Like `Open`, and the message that goes on, the request to the upstream or the response to the client, carries this
    /// header with `plugin;class` as its value.
    OpenTag(HeaderName),
    /// In the request phase: undo the edits and call once more on a fresh instance; a second failure is closed.
    /// In the response phase: closed.
    RetryFresh,
}

impl FailureAction {
    pub(crate) fn keeps_the_message(&self) -> bool {
        !matches!(self, Self::Closed(_))
    }
}

/// A plugin's failure policy: an action for every class. The default closes on all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailurePolicy {
    /// For the classes that `classes` does not name.
    pub default: FailureAction,
    /// Actions of single classes.
    pub classes: BTreeMap<FailureClass, FailureAction>,
    /// A response header that names the plugin and the class in the answer of a closed failure. None: the answer
    /// says nothing of plugins.
    pub expose_header: Option<HeaderName>,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self { default: FailureAction::Closed(None), classes: BTreeMap::new(), expose_header: None }
    }
}

impl FailurePolicy {
    /// The same action for every class.
    pub fn always(action: FailureAction) -> Self {
        Self { default: action, ..Self::default() }
    }

    /// Sets the action of one class.
    #[must_use]
    pub fn on(mut self, class: FailureClass, action: FailureAction) -> Self {
        self.classes.insert(class, action);
        self
    }

    /// What to do about this class.
    pub fn action(&self, class: FailureClass) -> &FailureAction {
        self.classes.get(&class).unwrap_or(&self.default)
    }

    /// Whether some failure leaves the message to go on, so that edits must be undone.
    pub(crate) fn may_keep_the_message(&self) -> bool {
        self.default.keeps_the_message() || self.classes.values().any(FailureAction::keeps_the_message)
    }
}
