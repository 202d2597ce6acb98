//! What the plugins of one exchange did: for its caller, for metrics, for the log.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::types::Decision;
use crate::{
    ExchangeFacts, Execution, Failure, Outcome, Phase, Plugin, PluginChain,
    message::{Action, BodyAction, ErrorAction},
    metrics::Took,
};

/// What the plugins of one exchange did, to be read when it is wanted: bodies are still under way when the response's
/// headers are sent. Cloning is cheap, and holds the chain, but nothing else of the exchange.
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

/// What the plugins of a chain have done in one exchange.
pub(crate) struct Ledger {
    pub(super) chain: PluginChain,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    decisions: SmallVec<[Entry; 2]>,
    failures: Vec<Failure>,
}

/// A decision of the plugin with this place in the chain.
struct Entry {
    index: usize,
    phase: Phase,
    outcome: Outcome,
    calls: u64,
    duration: Duration,
}

impl Ledger {
    pub(crate) fn new(chain: PluginChain) -> Self {
        Self { chain, entries: Mutex::default() }
    }

    pub(crate) fn decisions(&self) -> Vec<Decision> {
        let named = |entry: &Entry| {
            let Entry { index, phase, outcome, calls, duration } = *entry;
            let plugin = Arc::clone(self.chain.plugins().get(index)?.shared_name());
            Some(Decision { plugin, phase, outcome, calls, duration })
        };
        self.entries.lock().decisions.iter().filter_map(named).collect()
    }

    pub(crate) fn failures(&self) -> Vec<Failure> {
        self.entries.lock().failures.clone()
    }

    pub(crate) fn failed(&self, failure: Failure) {
        self.entries.lock().failures.push(failure);
    }

    /// Notes one call of a plugin. Those with the pieces of one body are one decision.
    pub(crate) fn note(&self, index: usize, phase: Phase, outcome: Outcome, took: Took) {
        let Some(plugin) = self.chain.plugins().get(index) else { return };
        let duration = took.duration;
        plugin.counters().count(outcome, took);
        plugin.observer().executed(&Execution { phase, outcome, duration });
        let decisions = &mut self.entries.lock().decisions;
        let is_body = matches!(phase, Phase::RequestBody | Phase::ResponseBody);
        let is_same = |known: &&mut Entry| is_body && known.phase == phase && known.index == index;
        match decisions.iter_mut().rev().find(is_same) {
            Some(known) => {
                known.calls += 1;
                known.duration += duration;
                if outcome != Outcome::Continue {
                    known.outcome = outcome;
                }
            }
            None => decisions.push(Entry { index, phase, outcome, calls: 1, duration }),
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
