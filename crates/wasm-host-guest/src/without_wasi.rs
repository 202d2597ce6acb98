//! What the standard library has from WASI, and lacks on `wasm32-unknown-unknown`: someone who is told of a panic, and
//! an allocator that begins with the memory that is there.

use std::panic;

use crate::bindings::imports::wasi::logging::logging::{self, Level};

/// Has the host know why this instance is about to end. It takes messages of this context as the words of a stderr.
pub(crate) fn report_panics() {
    panic::set_hook(Box::new(|panic| logging::log(Level::Error, "stderr", &panic.to_string())));
}

#[cfg(feature = "allocator")]
mod memory {
    #![expect(
        unsafe_code,
        reason = "an allocator hands out memory that nothing else uses; the comments say why that holds"
    )]

    use std::{
        alloc::Layout,
        arch::wasm32::{memory_grow, memory_size},
        ptr::{NonNull, with_exposed_provenance_mut},
    };

    use talc::{
        base::{CHUNK_UNIT, Talc, binning::Binning},
        cell::TalcSyncCell,
        min_first_heap_size,
        source::Source,
        wasm::WasmBinning,
    };

    const PAGE: usize = 64 << 10;

    /// That of the standard library asks for another page before it uses what is left of the first ones, and the host
    /// would then change what is mapped for every new instance.
    #[global_allocator]
    static ALLOCATOR: TalcSyncCell<Memory, WasmBinning> = TalcSyncCell::new_wasm(Memory { end: None });

    unsafe extern "C" {
        /// Where the linker's part of the memory ends.
        static __heap_base: u8;
    }

    /// The memory behind the linker's part, and what it grows by.
    #[derive(Debug)]
    struct Memory {
        /// Where what was claimed last ends.
        end: Option<NonNull<u8>>,
    }

    // SAFETY: it allocates nothing itself, and never claims the same memory twice.
    unsafe impl Source for Memory {
        fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
            let first = if talc.is_metadata_established() { None } else { claim_first(talc) };
            let end = first.or_else(|| grow(talc, layout)).ok_or(())?;
            talc.source.end = Some(end);
            Ok(())
        }
    }

    /// What lies between the linker's part and the end of the memory, if that is enough to begin with.
    fn claim_first<B: Binning>(talc: &mut Talc<Memory, B>) -> Option<NonNull<u8>> {
        let base = (&raw const __heap_base).expose_provenance();
        let bytes = memory_size::<0>().saturating_mul(PAGE).saturating_sub(base);
        // SAFETY: the linker leaves this memory to the allocator, which has nothing yet.
        unsafe { talc.claim(with_exposed_provenance_mut(base), bytes) }
    }

    /// As many pages as are enough for this.
    fn grow<B: Binning>(talc: &mut Talc<Memory, B>, layout: Layout) -> Option<NonNull<u8>> {
        /// Its lists, if it has none yet, and its tags, with what they take to be aligned.
        const fn overhead<B: Binning>() -> usize {
            min_first_heap_size::<B>() + 2 * CHUNK_UNIT
        }

        let wanted = layout.size().checked_add(layout.align())?.checked_add(overhead::<B>())?;
        let bytes = wanted.checked_next_multiple_of(PAGE)?;
        let before = memory_grow::<0>(bytes / PAGE);
        if before == usize::MAX {
            return None;
        }
        let base = before * PAGE;
        match talc.source.end.filter(|end| end.as_ptr().addr() == base) {
            // SAFETY: the pages are new, and what ends where they begin is this allocator's.
            Some(end) => Some(unsafe { talc.extend(end, with_exposed_provenance_mut(base.saturating_add(bytes))) }),
            // SAFETY: the pages are new.
            None => unsafe { talc.claim(with_exposed_provenance_mut(base), bytes) },
        }
    }
}
