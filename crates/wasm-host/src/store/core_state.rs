use std::any::Any;

use super::{HostState, HostStop};
use crate::{abi::GuestMemory, message::ExchangeState};

/// What the hostcalls of a core module find in the host's state.
#[derive(Default)]
pub(crate) struct CoreState {
    /// The guest's memory, once it is there.
    pub(crate) memory: Option<GuestMemory>,
    /// What its ABI keeps for the call that is under way.
    call_state: Option<Box<dyn Any + Send>>,
}

impl HostState {
    /// Sets what the hostcalls of this instance need.
    pub(crate) fn set_call_state<T: Any + Send>(&mut self, value: T) {
        self.core.call_state = Some(Box::new(value));
    }

    /// What was set; an error for a guest that makes a hostcall before there is anything.
    pub(crate) fn call_state<T: Any + Send>(&mut self) -> Result<&mut T, HostStop> {
        self.core.call_state()
    }

    /// The same, beside the exchange that the call is about.
    pub(crate) fn call_in_exchange<T: Any + Send>(&mut self) -> Result<(&mut T, &mut ExchangeState), HostStop> {
        let exchange = self.exchange.as_deref_mut().ok_or(HostStop::NoExchange)?;
        Ok((self.core.call_state()?, exchange))
    }
}

impl CoreState {
    fn call_state<T: Any + Send>(&mut self) -> Result<&mut T, HostStop> {
        self.call_state.as_mut().and_then(|state| state.downcast_mut()).ok_or(HostStop::NoExchange)
    }
}
