//! Phases that are over, and the instances that no phase needs any more.

use std::sync::atomic::Ordering::Relaxed;

use super::core::{Core, Shared};
use crate::{Outcome, Phase, Phases, metrics::Took};

impl Core {
    /// A phase of a plugin is over, or does not come.
    pub(crate) fn over(&mut self, shared: &Shared, index: usize, phase: Phase) {
        self.place(index).remaining.clear(phase);
        // `finish` settles nothing while a call is under way: who ends last does.
        if shared.finished.load(Relaxed) { self.settle_all(shared) } else { self.settle(shared, index) }
    }

    /// A plugin that takes messages as a whole does not see a response that streams.
    pub(crate) fn pass_stream(&mut self, shared: &Shared, index: usize) {
        shared.ledger.note(index, Phase::ResponseBody, Outcome::StreamPassed, Took::nothing());
        self.over(shared, index, Phase::ResponseBody);
    }

    /// A plugin did not let the request pass: it sees how the exchange ends, and nothing else.
    pub(crate) fn refused(&mut self, shared: &Shared, index: usize) {
        let remaining = &mut self.place(index).remaining;
        [Phase::RequestBody, Phase::Response, Phase::ResponseBody, Phase::Error]
            .into_iter()
            .for_each(|phase| remaining.clear(phase));
        self.settle(shared, index);
    }

    /// A plugin has ended the response phases: those before it in the chain do not see the response.
    pub(crate) fn stopped(&mut self, shared: &Shared, index: usize) {
        for index in 0..=index {
            self.over(shared, index, Phase::ResponseBody);
        }
    }

    /// The response's headers are on their way: no failure can be answered any more.
    pub(crate) fn responded(&mut self, shared: &Shared) {
        for index in 0..self.places.len() {
            let remaining = &mut self.place(index).remaining;
            [Phase::Request, Phase::Response, Phase::Error].into_iter().for_each(|phase| remaining.clear(phase));
            self.settle(shared, index);
        }
    }

    /// Gives an instance back that no phase needs any more.
    pub(super) fn settle(&mut self, shared: &Shared, index: usize) {
        let place = self.place(index);
        if shared.finished.load(Relaxed) {
            let Phases { request_body, response_body, .. } = place.remaining;
            place.remaining = Phases { request_body, response_body, ..Phases::default() };
        }
        if place.remaining.is_over()
            && let Some(instance) = place.instance.take()
            && let Some(plugin) = shared.chain().plugins().get(index)
        {
            plugin.give_back(instance);
        }
    }

    pub(super) fn settle_all(&mut self, shared: &Shared) {
        for index in 0..self.places.len() {
            self.settle(shared, index);
        }
    }
}
