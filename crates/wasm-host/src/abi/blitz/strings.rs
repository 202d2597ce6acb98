//! Texts on their way into a guest.

use bytes::Bytes;
use wasmtime::{AsContextMut, Func, Instance, Val};

use super::exports::{Room, Sized};
use crate::{
    abi::{GuestMemory, HostStore},
    store::{HostState, HostStop},
};

/// The alignment of a text.
const ALIGN: u32 = 1;

/// Makes room in one instance.
#[derive(Clone, Copy)]
pub(super) struct Allocator {
    memory: GuestMemory,
    allocate: Call,
    free: Option<Call>,
}

#[derive(Clone, Copy)]
struct Call {
    function: Func,
    params: usize,
}

/// A text in a guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) ptr: u32,
    pub(super) len: u32,
}

/// Why a text was not placed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoomError {
    #[error("the guest's allocator gave no room for {0} bytes")]
    Full(u32),
    #[error("a text of {0} bytes is longer than a guest's memory")]
    TooLong(usize),
}

impl Allocator {
    pub(super) fn of_instance(instance: &Instance, store: &mut HostStore, room: Room) -> wasmtime::Result<Self> {
        let memory = GuestMemory::of_instance(instance, store)?;
        let mut call = |Sized { name, params }| -> Result<Call, HostStop> {
            let function = instance.get_func(&mut *store, name).ok_or_else(|| HostStop::Misfit(name.to_owned()))?;
            Ok(Call { function, params })
        };
        Ok(Self { memory, allocate: call(room.allocate)?, free: room.free.map(call).transpose()? })
    }

    /// Has the guest make room for a text, and writes it there.
    pub(super) async fn place(
        self,
        store: &mut (impl AsContextMut<Data = HostState> + Send),
        text: &[u8],
    ) -> wasmtime::Result<Placed> {
        let len = u32::try_from(text.len()).map_err(|_| RoomError::TooLong(text.len()))?;
        let mut ptr = [Val::I32(0)];
        self.allocate.run(store, [len, ALIGN, 0], &mut ptr).await?;
        let ptr = ptr.first().and_then(Val::i32).unwrap_or_default().cast_unsigned();
        if ptr == 0 && len > 0 {
            return Err(RoomError::Full(len).into());
        }
        self.memory.write(store, ptr, text)?;
        Ok(Placed { ptr, len })
    }

    /// Gives the room of an argument back, where the guest does not do so itself.
    pub(super) async fn free(
        self,
        store: &mut (impl AsContextMut<Data = HostState> + Send),
        Placed { ptr, len }: Placed,
    ) -> wasmtime::Result<()> {
        match self.free {
            Some(free) => free.run(store, [ptr, len, ALIGN], &mut []).await,
            None => Ok(()),
        }
    }
}

impl Call {
    async fn run(
        self,
        store: &mut (impl AsContextMut<Data = HostState> + Send),
        params: [u32; 3],
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        let params = params.map(|param| Val::I32(param.cast_signed()));
        self.function.call_async(store, params.get(..self.params).unwrap_or(&params), results).await
    }
}

/// Bytes as a guest takes them: what is not UTF-8 in them becomes U+FFFD.
pub(super) fn as_text(bytes: Bytes) -> Bytes {
    match String::from_utf8_lossy(&bytes) {
        std::borrow::Cow::Borrowed(_) => bytes,
        std::borrow::Cow::Owned(text) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_utf8_and_keeps_what_was(bytes: Vec<u8>, text: String) {
            let lossy = as_text(Bytes::from(bytes.clone()));
            prop_assert_eq!(std::str::from_utf8(&lossy).ok(), Some(&*String::from_utf8_lossy(&bytes)));
            prop_assert_eq!(as_text(Bytes::from(text.clone())), text);
        }
    }
}
