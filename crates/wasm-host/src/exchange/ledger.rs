//! What the plugins of one exchange did: for its caller, for metrics, for the log.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::types::Decision;
use crate::{
    ExchangeFacts, Execution, Failure, Outcome, Phase, Plugin,
    message::{Action, BodyAction, ErrorAction},
};

/// What the plugins of one exchange did, to be read when it is wanted: bodies are still under way when the response's
/// headers are sent. Cloning is cheap, and holds nothing else of the exchange.
#[derive(Clone)]
pub struct DecisionLog(Arc<Ledger>);

impl DecisionLog {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Self {
        Self(Arc::clone(ledger))
    }

    /// What was done so far, in the order it was done. The pieces of one body are one decision.
    pub fn read(&self) -> Vec<Decision> {
        self.0.decisions()
    }
}

impl fmt::Debug for DecisionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DecisionLog").field(&self.read()).finish()
    }
}

/// What plugins have done.
pub(crate) struct Ledger(Mutex<Entries>);

struct Entries {
    decisions: Vec<Decision>,
    failures: Vec<Failure>,
}

impl Ledger {
    pub(crate) fn new(plugins: usize) -> Self {
        Self(Mutex::new(Entries { decisions: Vec::with_capacity(plugins), failures: Vec::new() }))
    }

    pub(crate) fn decisions(&self) -> Vec<Decision> {
        self.0.lock().decisions.clone()
    }

    pub(crate) fn failures(&self) -> Vec<Failure> {
        self.0.lock().failures.clone()
    }

    pub(crate) fn failed(&self, failure: Failure) {
        self.0.lock().failures.push(failure);
    }

    /// Notes one call. Those with the pieces of one body are one decision.
    pub(crate) fn note(&self, plugin: &Plugin, phase: Phase, outcome: Outcome, duration: Duration) {
        plugin.counters().count(outcome, duration);
        plugin.observer().executed(&Execution { phase, outcome, duration });
        let decisions = &mut self.0.lock().decisions;
        let is_body = matches!(phase, Phase::RequestBody | Phase::ResponseBody);
        let known = decisions
            .iter_mut()
            .rev()
            .find(|known| is_body && known.phase == phase && Arc::ptr_eq(&known.plugin, plugin.shared_name()));
        match known {
            Some(known) => {
                known.calls += 1;
                known.duration += duration;
                if outcome != Outcome::Continue {
                    known.outcome = outcome;
                }
            }
            None => {
                let plugin = Arc::clone(plugin.shared_name());
                decisions.push(Decision { plugin, phase, outcome, calls: 1, duration });
            }
        }
    }
}

/// Tells the operator of a failure.
pub(crate) fn report(plugin: &Plugin, phase: Phase, facts: &ExchangeFacts, failure: &Failure) {
    tracing::warn!(
        plugin = plugin.name(),
        phase = phase.as_str(),
        class = failure.class.as_str(),
        exchange = facts.id,
        "plugin failed: {}",
        failure.message.escape_debug(),
    );
}

/// A decision of a guest, for logs and metrics.
pub(crate) trait Decided {
    fn outcome(&self) -> Outcome;
}

impl Decided for Action {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Continue => Outcome::Continue,
            Self::Respond(_) => Outcome::Respond,
        }
    }
}

impl Decided for BodyAction {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Pass | Self::Leave => Outcome::Continue,
            Self::Replace(_) => Outcome::Replace,
            Self::Finish(_) => Outcome::Finish,
            Self::Reset => Outcome::Reset,
            Self::Stop => Outcome::Stop,
            Self::Respond(_) => Outcome::Respond,
        }
    }
}

impl Decided for ErrorAction {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Continue => Outcome::Continue,
            Self::Respond(_) => Outcome::Respond,
            Self::Retry(_) => Outcome::Retry,
        }
    }
}

impl Decided for () {
    fn outcome(&self) -> Outcome {
        Outcome::Continue
    }
}
