//! What happens to an exchange when a plugin fails.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::Phase;

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
    /// The guest answered what makes no sense where it was asked. The native ABI refuses edits when they are made.
    InvalidOutput,
    /// A body, or a line or an event of it, is larger than the plugin may hold.
    BodyTooLarge,
    /// The content-encoding of a body that the plugin reads decoded could not be undone.
    BodyEncoding,
    /// The plugin has no code to run.
    NotLoaded,
    /// The guest itself returned an error.
    GuestError,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 11] = [
        Self::Trap,
        Self::CpuDeadline,
        Self::WallDeadline,
        Self::Memory,
        Self::Saturated,
        Self::Hostcall,
        Self::InvalidOutput,
        Self::BodyTooLarge,
        Self::BodyEncoding,
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
            Self::BodyEncoding => "body-encoding",
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
            Self::BodyEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The same, where the phase tells whose body it was: one of the upstream is no fault of the client's.
    pub(crate) fn status_in(self, phase: Phase) -> StatusCode {
        match (self, phase) {
            (Self::BodyTooLarge | Self::BodyEncoding, Phase::ResponseBody) => StatusCode::BAD_GATEWAY,
            _ => self.status(),
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

/// What the chain does when a plugin fails in one of the four phases of a message: the headers and the body of the
/// request, and of the response. In the error phase a plugin that fails has no answer, and in the complete phase
/// nothing is left to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureAction {
    /// Answer with this.
    Closed(ClosedAnswer),
    /// Go on as if the plugin were not in the chain. Its edits of the failed call are undone.
    Open,
    /// Like `Open`, and the message that goes on, the request to the upstream or the response to the client, carries
    /// this header with `plugin;class` as its value.
    OpenTag(HeaderName),
    /// The plugin is called once more on a fresh instance, where the failed call was the first of its instance in this
    /// exchange and nothing of the body was consumed or sent; otherwise closed. Its edits of the failed call are
    /// undone. A second failure is closed, with [`ClosedAnswer::default`].
    RetryFresh,
}

impl FailureAction {
    /// Answers with the class's own status and an empty body.
    pub fn closed() -> Self {
        Self::Closed(ClosedAnswer::default())
    }

    /// Answers with this status and an empty body.
    pub fn closed_with(status: StatusCode) -> Self {
        Self::Closed(ClosedAnswer { status: Some(status), ..ClosedAnswer::default() })
    }

    fn keeps_the_message(&self) -> bool {
        !matches!(self, Self::Closed(_))
    }
}

/// The answer of a failure that closes. The default is the class's own status, and an empty body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedAnswer {
    /// The status; none: the class's own ([`FailureClass::status`]).
    pub status: Option<StatusCode>,
    /// The body. It is the same for every failure: nothing of what happened is put into it.
    pub body: Bytes,
    /// The `content-type`; none: the answer has no such header.
    pub content_type: Option<HeaderValue>,
}

/// A plugin's failure policy: an action for every phase and class. The default closes on all of them.
///
/// What is closest to the failure counts: the action of its class in its phase, then the phase's default, then the
/// action of its class in every phase, then the policy's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailurePolicy {
    /// For what nothing else names.
    pub default: FailureAction,
    /// Actions of single classes.
    pub classes: BTreeMap<FailureClass, FailureAction>,
    /// Actions of single phases. Those of [`Phase::Configure`], [`Phase::Error`] and [`Phase::Complete`] are not asked
    /// for.
    pub phases: BTreeMap<Phase, PhasePolicy>,
    /// A response header that names the plugin and the class in the answer of a closed failure. None: the answer
    /// says nothing of plugins.
    pub expose_header: Option<HeaderName>,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self {
            default: FailureAction::closed(),
            classes: BTreeMap::new(),
            phases: BTreeMap::new(),
            expose_header: None,
        }
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

    /// Sets what holds in one phase, in place of what was set for it before.
    #[must_use]
    pub fn in_phase(mut self, phase: Phase, policy: PhasePolicy) -> Self {
        self.phases.insert(phase, policy);
        self
    }

    /// What to do about this class in this phase.
    pub fn action(&self, phase: Phase, class: FailureClass) -> &FailureAction {
        self.phases
            .get(&phase)
            .and_then(|policy| policy.action(class))
            .or_else(|| self.classes.get(&class))
            .unwrap_or(&self.default)
    }

    /// Whether some failure leaves the message to go on, so that edits must be undone.
    pub(crate) fn may_keep_the_message(&self) -> bool {
        self.default.keeps_the_message()
            || self.classes.values().any(FailureAction::keeps_the_message)
            || self.phases.values().any(PhasePolicy::may_keep_the_message)
    }
}

/// What a failure policy says about one phase. The default says nothing: the policy's own actions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhasePolicy {
    /// For the classes that `classes` does not name. None: what the policy says of them for every phase.
    pub default: Option<FailureAction>,
    /// Actions of single classes.
    pub classes: BTreeMap<FailureClass, FailureAction>,
}

impl PhasePolicy {
    /// The same action for every class.
    pub fn always(action: FailureAction) -> Self {
        Self { default: Some(action), ..Self::default() }
    }

    /// Sets the action of one class.
    #[must_use]
    pub fn on(mut self, class: FailureClass, action: FailureAction) -> Self {
        self.classes.insert(class, action);
        self
    }

    fn action(&self, class: FailureClass) -> Option<&FailureAction> {
        self.classes.get(&class).or(self.default.as_ref())
    }

    fn may_keep_the_message(&self) -> bool {
        self.default.iter().chain(self.classes.values()).any(FailureAction::keeps_the_message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closest_to_the_failure_counts() {
        let closed = |status| FailureAction::closed_with(StatusCode::from_u16(status).unwrap());
        let policy = FailurePolicy::always(closed(500))
            .on(FailureClass::Trap, closed(501))
            .in_phase(Phase::Response, PhasePolicy::always(closed(502)).on(FailureClass::Trap, closed(503)))
            .in_phase(Phase::RequestBody, PhasePolicy::default().on(FailureClass::BodyTooLarge, closed(413)));
        for (phase, class, status) in [
            (Phase::Request, FailureClass::Memory, 500),
            (Phase::Request, FailureClass::Trap, 501),
            (Phase::Response, FailureClass::Memory, 502),
            (Phase::Response, FailureClass::Trap, 503),
            (Phase::RequestBody, FailureClass::BodyTooLarge, 413),
            (Phase::RequestBody, FailureClass::Trap, 501),
            (Phase::RequestBody, FailureClass::Memory, 500),
        ] {
            assert_eq!(*policy.action(phase, class), closed(status), "{phase:?} {class}");
        }
    }

    #[test]
    fn an_open_phase_may_keep_the_message() {
        let closed = FailurePolicy::default().in_phase(Phase::Request, PhasePolicy::always(FailureAction::closed()));
        assert!(!closed.may_keep_the_message());
        let open = PhasePolicy::default().on(FailureClass::Trap, FailureAction::Open);
        assert!(closed.in_phase(Phase::ResponseBody, open).may_keep_the_message());
    }
}
