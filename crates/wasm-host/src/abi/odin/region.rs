//! The end of the memory of a guest without an allocator, as the host keeps it for the input.

const PAGE: u64 = 64 << 10;

/// A part of the guest's memory that the host has added. It is the host's for as long as the guest adds no memory itself:
/// what is behind a guest's own growth, an allocator may take for its own up to the end of the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Region {
    start: u64,
    end: u64,
}

impl Region {
    pub(super) fn start(self) -> u64 {
        self.start
    }

    /// Makes it fit `len` bytes in a memory of `size`, and says how many pages the memory is to grow by for that.
    pub(super) fn fit(&mut self, size: u64, len: u64) -> u64 {
        if self.end != size {
            self.start = size;
        }
        let pages = self.start.saturating_add(len).saturating_sub(size).div_ceil(PAGE);
        self.end = size.saturating_add(pages.saturating_mul(PAGE));
        pages
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Input(u64),
        GuestGrows(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![(0_u64..5 * PAGE).prop_map(Step::Input), (1_u64..4).prop_map(Step::GuestGrows)]
    }

    proptest! {
        #[test]
        fn input_is_where_no_guest_is(initial in 0_u64..4, steps in proptest::collection::vec(step(), 1..60)) {
            let mut size = initial * PAGE;
            // Of an allocator that takes all there is whenever it grows.
            let mut guests = size;
            let mut region = Region::default();
            let mut largest = 0;
            let mut bound = size;
            for step in steps {
                match step {
                    Step::GuestGrows(pages) => {
                        size += pages * PAGE;
                        (guests, bound, largest) = (size, size, 0);
                    }
                    Step::Input(len) => {
                        size += region.fit(size, len) * PAGE;
                        prop_assert!(region.start() >= guests);
                        prop_assert!(region.start() + len <= size);
                        // Inputs of all lengths together take what the longest takes.
                        largest = largest.max(len);
                        prop_assert!(size <= bound + largest.div_ceil(PAGE) * PAGE);
                    }
                }
            }
        }
    }

    #[test]
    fn it_is_kept_until_the_guest_grows() {
        let mut region = Region::default();
        assert_eq!((region.fit(PAGE, 10), region.start()), (1, PAGE));
        assert_eq!((region.fit(2 * PAGE, PAGE), region.start()), (0, PAGE));
        assert_eq!((region.fit(2 * PAGE, PAGE + 1), region.start()), (1, PAGE));
        assert_eq!((region.fit(4 * PAGE, 1), region.start()), (1, 4 * PAGE));
    }
}
