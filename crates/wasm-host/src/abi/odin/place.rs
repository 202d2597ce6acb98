//! Where the input goes in the guest's memory: what its allocator gives, or a region that the host keeps at its end.

use super::{allocator::Allocator, region::Region};
use crate::abi::{GuestError, GuestMemory, GuestResult, HostStore};

/// How input gets into the guest.
pub(super) enum InputPlace {
    Allocator(Allocator),
    Region(Region),
}

impl InputPlace {
    /// Writes the input, and says where it is.
    pub(super) async fn put(
        &mut self,
        store: &mut HostStore,
        memory: GuestMemory,
        input: &[u8],
    ) -> GuestResult<(u32, u32)> {
        let invalid = |reason: String| GuestError::Invalid(format!("the input has no place: {reason}"));
        let len = u32::try_from(input.len()).map_err(|_| invalid("it is longer than a memory".to_owned()))?;
        let ptr = match self {
            Self::Allocator(allocator) => match allocator.allocate(&mut *store, len).await? {
                Some(ptr) => ptr,
                None => {
                    return Err(refused(store, format!("the guest's allocator gives no {len} bytes for the input")));
                }
            },
            Self::Region(region) => {
                let pages = region.fit(memory.size(store) as u64, len.into());
                if pages > 0
                    && let Err(error) = memory.grow(store, pages).await
                {
                    return Err(refused(store, error.to_string()));
                }
                u32::try_from(region.start()).map_err(|_| invalid("the memory is too large".to_owned()))?
            }
        };
        memory.write(store, ptr, input).map_err(|error| invalid(error.to_string()))?;
        Ok((ptr, len))
    }

    /// Gives back what [`put`](Self::put) took.
    pub(super) async fn take_back(&self, store: &mut HostStore, (ptr, len): (u32, u32)) -> wasmtime::Result<()> {
        match self {
            Self::Allocator(allocator) => allocator.free(store, ptr, len).await,
            Self::Region(_) => Ok(()),
        }
    }
}

/// The guest has no memory to give: by the plugin's limit, or by its own doing.
fn refused(store: &HostStore, reason: String) -> GuestError {
    if store.data().limiter.has_denied() {
        GuestError::Wasm(wasmtime::Error::msg(reason))
    } else {
        GuestError::Invalid(reason)
    }
}
