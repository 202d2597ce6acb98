//! What the hostcalls of an edge function share, of one call after another.

use std::sync::Arc;

use bytes::Bytes;

use super::changes::ResponseChanges;
use crate::{
    ExchangeFacts,
    abi::{GuestError, GuestResult},
    store::{HostState, HostStop},
};

/// One call of an edge function, and what is kept of it for the response. Made once an instance.
#[derive(Default)]
pub(super) struct EdgeCall {
    pub(super) buffer: SharedBuffer,
    pub(super) request_body: Bytes,
    /// What the function puts in the place of the request's body.
    pub(super) replaced_body: Option<Bytes>,
    pub(super) response: ResponseChanges,
    /// The exchange that all this is about.
    exchange: Option<Arc<ExchangeFacts>>,
}

impl EdgeCall {
    /// Forgets the call before.
    pub(super) fn begin(state: &mut HostState, body: Bytes) -> GuestResult<()> {
        let header_bytes = state.plugin.limits.header_bytes;
        let (call, exchange) = Self::of(state)?;
        call.buffer.clear();
        call.request_body = body;
        call.replaced_body = None;
        call.response.clear(header_bytes);
        call.exchange = Some(Arc::clone(&exchange.facts));
        Ok(())
    }

    /// Drops what only the function itself needs: an instance at rest keeps nothing of a request.
    pub(super) fn forget_request(&mut self) {
        self.buffer = SharedBuffer::default();
        self.request_body = Bytes::new();
    }

    /// The call, and the exchange that is under way.
    pub(super) fn of(state: &mut HostState) -> GuestResult<(&mut Self, &mut crate::message::ExchangeState)> {
        state.call_in_exchange().map_err(|stop: HostStop| GuestError::Wasm(stop.into()))
    }

    /// Whether what is kept is of this exchange. It is not, when the instance is not the one that has seen the request.
    pub(super) fn is_of(&self, facts: &Arc<ExchangeFacts>) -> bool {
        self.exchange.as_ref().is_some_and(|known| Arc::ptr_eq(known, facts))
    }
}

/// What getters leave for the guest to fetch.
#[derive(Debug, Default)]
pub(super) struct SharedBuffer {
    copied: Vec<u8>,
    /// In the place of what was copied.
    shared: Option<Bytes>,
}

impl SharedBuffer {
    pub(super) fn clear(&mut self) {
        self.copied.clear();
        self.shared = None;
    }

    /// Puts bytes in the place of what there is, and gives their number.
    pub(super) fn put(&mut self, bytes: &[u8]) -> i32 {
        self.fill(|copied| copied.extend_from_slice(bytes))
    }

    /// The same for bytes that need not be copied.
    pub(super) fn share(&mut self, bytes: Bytes) -> i32 {
        let len = bytes.len();
        self.shared = Some(bytes);
        length(len)
    }

    /// The same for bytes that are yet to be written.
    pub(super) fn fill(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> i32 {
        self.clear();
        write(&mut self.copied);
        length(self.copied.len())
    }

    pub(super) fn content(&self) -> &[u8] {
        self.shared.as_deref().unwrap_or(&self.copied)
    }

    /// As many bytes from there on; none when there are not so many.
    pub(super) fn part(&self, offset: u32, len: u32) -> Option<&[u8]> {
        self.content().get(offset as usize..)?.get(..len as usize)
    }
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_part_is_whole_or_none(content: Vec<u8>, is_shared: bool, offset in 0_u32..200, len in 0_u32..200, far: u32) {
            let mut buffer = SharedBuffer::default();
            buffer.put(b"of a producer before");
            let told = if is_shared { buffer.share(content.clone().into()) } else { buffer.put(&content) };
            prop_assert_eq!(told as usize, content.len());
            for (offset, len) in [(offset, len), (far, len), (offset, far), (u32::MAX, u32::MAX)] {
                let end = offset as u64 + len as u64;
                let expected = (end <= content.len() as u64).then(|| &content[offset as usize..end as usize]);
                prop_assert_eq!(buffer.part(offset, len), expected);
            }
            buffer.clear();
            prop_assert!(buffer.content().is_empty());
        }
    }
}
