//! How WAF modules and bot detectors get what they look at: in memory that they allocate.

use wasmtime::{Instance, TypedFunc};

use crate::{
    abi::{GuestError, GuestMemory, GuestResult, HostStore},
    store::HostStop,
};

/// A guest's memory, and the functions that hand out parts of it.
pub(super) struct Handover {
    pub(super) memory: GuestMemory,
    alloc: TypedFunc<u32, u32>,
    dealloc: Option<TypedFunc<(u32, u32), ()>>,
}

/// A part of the memory that the guest has handed out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) ptr: u32,
    pub(super) len: u32,
}

impl Part {
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.ptr < other.ptr.saturating_add(other.len) && other.ptr < self.ptr.saturating_add(self.len)
    }
}

impl Handover {
    pub(super) fn of(instance: &Instance, store: &mut HostStore) -> wasmtime::Result<Self> {
        let memory = GuestMemory::of_instance(instance, store).map_err(|error| HostStop::Misfit(error.to_string()))?;
        let alloc = instance.get_typed_func(&mut *store, "alloc")?;
        // One of another type is not that of this ABI.
        let dealloc = instance.get_typed_func(&mut *store, "dealloc").ok();
        Ok(Self { memory, alloc, dealloc })
    }

    /// Has the guest allocate, and writes there. Of nothing it allocates one byte: not every allocator can give none.
    pub(super) async fn give(&self, store: &mut HostStore, bytes: &[u8]) -> GuestResult<Part> {
        let len = u32::try_from(bytes.len().max(1)).map_err(|_| invalid("was to be given more than 4 GiB"))?;
        let ptr = self.alloc.call_async(&mut *store, len).await?;
        if ptr == 0 {
            return Err(invalid(&format!("`alloc` gave no room for {len} bytes")));
        }
        self.memory
            .write(store, ptr, bytes)
            .map_err(|error| invalid(&format!("allocated what it does not have: {error}")))?;
        Ok(Part { ptr, len })
    }

    /// Gives a part back, to a guest that takes it.
    pub(super) async fn free(&self, store: &mut HostStore, part: Part) -> GuestResult<()> {
        match &self.dealloc {
            Some(dealloc) => Ok(dealloc.call_async(store, (part.ptr, part.len)).await?),
            None => Ok(()),
        }
    }
}

pub(super) fn invalid(what: &str) -> GuestError {
    GuestError::Invalid(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn parts_overlap_by_a_byte() {
        let part = |ptr, len| Part { ptr, len };
        for (ptr, len, overlaps) in [
            (0, 10, false),
            (0, 11, true),
            (10, 4, true),
            (19, 1, true),
            (20, 9, false),
            (12, u32::MAX, true),
            (10, 0, false),
        ] {
            assert_eq!(part(10, 10).overlaps(part(ptr, len)), overlaps, "{ptr} {len}");
            assert_eq!(part(ptr, len).overlaps(part(10, 10)), overlaps, "{ptr} {len}");
        }
    }
}
