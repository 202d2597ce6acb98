//! Whether a plugin may be called for an exchange, and with which instance.

use std::time::Instant;

use super::core::{Core, Ran, Shared};
use crate::{
    Failure, Outcome, Phase, Plugin,
    breaker::{Admission, Probe},
    metrics::Took,
};

impl Core {
    /// Takes an instance for a plugin before the headers are sent, while its policy can still answer. None: it is there.
    pub(crate) async fn check_out_ahead<T>(&mut self, shared: &Shared, index: usize, phase: Phase) -> Option<Ran<T>> {
        let plugin = shared.chain().plugins().get(index)?;
        if self.place(index).instance.is_some() {
            return None;
        }
        self.state(shared).begin_call(phase, 0, false);
        let probe = match self.admit(index, plugin) {
            Ok(probe) => probe,
            Err(failure) => {
                shared.ledger.note(index, phase, Outcome::CircuitOpen, Took::nothing());
                return self.fail(shared, index, phase, failure, false);
            }
        };
        match plugin.check_out().await {
            Ok(instance) => {
                let place = self.place(index);
                (place.instance, place.probe) = (Some(instance), probe);
                None
            }
            Err(failure) => Some(self.fail_uncalled(shared, index, phase, failure)),
        }
    }

    /// Asks the plugin's circuit breaker, for the first call of an exchange.
    pub(super) fn admit(&mut self, index: usize, plugin: &Plugin) -> Result<Option<Probe>, Failure> {
        let place = self.place(index);
        if place.probe.is_some() {
            return Ok(place.probe.take());
        }
        let Some(breaker) = plugin.breaker().filter(|_| place.instance.is_none()) else { return Ok(None) };
        if breaker.is_closed() {
            return Ok(None);
        }
        match breaker.admit(Instant::now()) {
            Admission::Allowed => Ok(None),
            Admission::Probe(probe) => Ok(Some(probe)),
            Admission::Refused(failure) => Err(failure),
        }
    }
}
