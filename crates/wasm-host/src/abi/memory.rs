//! The memory of core modules: the one place where it is read and written, always within checked ranges.

use std::ops::Range;

use wasmtime::{AsContext, AsContextMut, Caller, Extern, Instance, Memory};

use super::HostStore;
use crate::store::HostState;

/// Why a guest's memory was not read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error("{len} bytes at {ptr} are outside of the guest's memory, which has {size}")]
    OutOfRange { ptr: u32, len: u32, size: usize },
    #[error("the {len} bytes at {ptr} are not UTF-8")]
    NotUtf8 { ptr: u32, len: u32 },
    #[error("the text at {ptr} does not end within {limit} bytes")]
    Endless { ptr: u32, limit: u32 },
    #[error("the guest exports no memory under the name `memory`")]
    Absent,
    #[error("the guest's memory cannot grow by {0} pages")]
    Full(u64),
}

/// The memory that a guest exports under the name `memory`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuestMemory(Memory);

impl GuestMemory {
    /// That of an instance. Hostcalls find it from now on.
    pub(crate) fn of_instance(instance: &Instance, store: &mut HostStore) -> Result<Self, MemoryError> {
        let memory = Self(instance.get_memory(&mut *store, "memory").ok_or(MemoryError::Absent)?);
        store.data_mut().core.memory = Some(memory);
        Ok(memory)
    }

    /// That of the guest that makes a hostcall, which may be starting.
    pub(crate) fn of_caller(caller: &mut Caller<'_, HostState>) -> Result<Self, MemoryError> {
        if let Some(memory) = caller.data().core.memory {
            return Ok(memory);
        }
        match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(Self(memory)),
            _ => Err(MemoryError::Absent),
        }
    }

    /// Its bytes, beside the host's state.
    pub(crate) fn split<'a>(
        self,
        store: &'a mut (impl AsContextMut<Data = HostState> + 'a),
    ) -> (GuestBytes<'a>, &'a mut HostState) {
        let (bytes, state) = self.0.data_and_store_mut(store);
        (GuestBytes(bytes), state)
    }

    pub(crate) fn read<'a>(
        self,
        store: &'a (impl AsContext<Data = HostState> + 'a),
        ptr: u32,
        len: u32,
    ) -> Result<&'a [u8], MemoryError> {
        slice(self.0.data(store), ptr, len)
    }

    pub(crate) fn text<'a>(
        self,
        store: &'a (impl AsContext<Data = HostState> + 'a),
        ptr: u32,
        len: u32,
    ) -> Result<&'a str, MemoryError> {
        text_of(self.read(store, ptr, len)?, ptr)
    }

    pub(crate) fn write(
        self,
        store: &mut impl AsContextMut<Data = HostState>,
        ptr: u32,
        bytes: &[u8],
    ) -> Result<(), MemoryError> {
        self.split(store).0.write(ptr, bytes)
    }

    /// The bytes behind a length, which is a u32 in little endian.
    pub(crate) fn prefixed<'a>(
        self,
        store: &'a (impl AsContext<Data = HostState> + 'a),
        ptr: u32,
    ) -> Result<&'a [u8], MemoryError> {
        prefixed(self.0.data(store), ptr)
    }

    /// Bytes that the memory has.
    pub(crate) fn size(self, store: &impl AsContext<Data = HostState>) -> usize {
        self.0.data_size(store)
    }

    /// Adds pages of 64 KiB, within `limits.memory`, and gives the size in bytes that it had.
    pub(crate) async fn grow(
        self,
        store: &mut impl AsContextMut<Data = HostState>,
        pages: u64,
    ) -> Result<u64, MemoryError> {
        let before = self.0.grow_async(&mut *store, pages).await.map_err(|_| MemoryError::Full(pages))?;
        Ok(before.saturating_mul(self.0.page_size(store)))
    }
}

/// The bytes of a guest's memory, for the length of a hostcall.
pub(crate) struct GuestBytes<'a>(&'a mut [u8]);

impl GuestBytes<'_> {
    pub(crate) fn read(&self, ptr: u32, len: u32) -> Result<&[u8], MemoryError> {
        slice(self.0, ptr, len)
    }

    pub(crate) fn text(&self, ptr: u32, len: u32) -> Result<&str, MemoryError> {
        text_of(self.read(ptr, len)?, ptr)
    }

    /// A text that ends with a NUL, which is not part of it and is among the first `limit` bytes.
    pub(crate) fn c_text(&self, ptr: u32, limit: u32) -> Result<&str, MemoryError> {
        let size = self.0.len();
        let from = self.0.get(ptr as usize..).ok_or(MemoryError::OutOfRange { ptr, len: 1, size })?;
        let within = from.get(..limit as usize).unwrap_or(from);
        let end = memchr::memchr(0, within).ok_or(MemoryError::Endless { ptr, limit })?;
        text_of(within.get(..end).unwrap_or_default(), ptr)
    }

    pub(crate) fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), MemoryError> {
        let size = self.0.len();
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let outside = MemoryError::OutOfRange { ptr, len, size };
        let range = range(ptr, len).filter(|range| range.len() == bytes.len()).ok_or(outside)?;
        self.0.get_mut(range).ok_or(outside)?.copy_from_slice(bytes);
        Ok(())
    }
}

fn range(ptr: u32, len: u32) -> Option<Range<usize>> {
    let start = usize::try_from(ptr).ok()?;
    Some(start..start.checked_add(usize::try_from(len).ok()?)?)
}

fn slice(memory: &[u8], ptr: u32, len: u32) -> Result<&[u8], MemoryError> {
    let outside = MemoryError::OutOfRange { ptr, len, size: memory.len() };
    range(ptr, len).and_then(|range| memory.get(range)).ok_or(outside)
}

fn prefixed(memory: &[u8], ptr: u32) -> Result<&[u8], MemoryError> {
    const PREFIX: u32 = 4;
    let outside = |len| MemoryError::OutOfRange { ptr, len, size: memory.len() };
    let prefix = slice(memory, ptr, PREFIX)?.try_into().map_err(|_| outside(PREFIX))?;
    let len = u32::from_le_bytes(prefix);
    slice(memory, ptr.checked_add(PREFIX).ok_or(outside(len))?, len)
}

fn text_of(bytes: &[u8], ptr: u32) -> Result<&str, MemoryError> {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    std::str::from_utf8(bytes).map_err(|_| MemoryError::NotUtf8 { ptr, len })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_is_there(size in 0_usize..200, ptr: u32, len: u32, near in 0_u32..220, short in 0_u32..220) {
            let memory: Vec<u8> = (0..size).map(|n| n as u8).collect();
            for (ptr, len) in [(ptr, len), (near, short), (near, len), (u32::MAX - short, len)] {
                let expected = memory.get(ptr as usize..).and_then(|from| from.get(..len as usize));
                prop_assert_eq!(slice(&memory, ptr, len).ok(), expected);
            }
        }

        #[test]
        fn what_is_written_is_in_its_place_or_nowhere(size in 0_usize..64, ptr in 0_u32..80, bytes: Vec<u8>) {
            let mut memory = vec![0xaa; size];
            let written = GuestBytes(&mut memory).write(ptr, &bytes);
            let end = ptr as usize + bytes.len();
            prop_assert_eq!(written.is_ok(), end <= size);
            if written.is_ok() {
                prop_assert_eq!(&memory[ptr as usize..end], &bytes[..]);
            } else {
                prop_assert!(memory.iter().all(|byte| *byte == 0xaa));
            }
        }

        #[test]
        fn a_length_comes_before_its_bytes(memory in proptest::collection::vec(0_u8..6, 0..64), ptr in 0_u32..80, far: u32) {
            for ptr in [ptr, far, u32::MAX - ptr] {
                let expected = memory.get(ptr as usize..).and_then(|from| from.split_first_chunk()).and_then(|(len, from)| {
                    from.get(..u32::from_le_bytes(*len) as usize)
                });
                prop_assert_eq!(prefixed(&memory, ptr).ok(), expected);
            }
        }

        #[test]
        fn texts_end_within_memory_and_limit(memory in proptest::collection::vec(0_u8..4, 0..64), ptr in 0_u32..80, limit in 0_u32..80) {
            let mut bytes = memory.clone();
            let expected = memory.get(ptr as usize..).and_then(|from| {
                from.iter().take(limit as usize).position(|byte| *byte == 0).map(|end| &from[..end])
            });
            let found = GuestBytes(&mut bytes).c_text(ptr, limit).map(|text| text.as_bytes().to_vec()).ok();
            prop_assert_eq!(found.as_deref(), expected);
        }
    }

    #[test]
    fn text_is_utf8() {
        let memory = [b'a', 0xff, b'b'];
        assert_eq!(text_of(&memory[..1], 0), Ok("a"));
        assert_eq!(text_of(&memory, 7), Err(MemoryError::NotUtf8 { ptr: 7, len: 3 }));
    }
}
