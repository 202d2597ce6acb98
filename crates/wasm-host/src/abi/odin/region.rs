//! The end of the memory of a guest without an allocator, as the host keeps it for the input.

const PAGE: u64 = 64 << 10;
/// Bytes that the first input is away from what the guest had before, where there is room: at least, and for each of its
/// own bytes.
const HEADROOM: u64 = 8 * PAGE;
const HEADROOM_FACTOR: u64 = 4;

/// A part of the guest's memory that the host has added. It stays the host's for as long as the guest adds no memory
/// itself: what is behind a guest's own growth, an allocator may take for its own up to the end of the memory.
///
/// Some allocators (AssemblyScript's, that of older C libraries) do so already when they are first used, which is in the
/// first call. Thus the first input is some way off from where they begin, and the second one is in a region of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Region {
    start: u64,
    end: u64,
    age: Age,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Age {
    #[default]
    Unused,
    /// The guest's allocator may have it.
    Suspect,
    Kept,
}

impl Region {
    pub(super) fn start(self) -> u64 {
        self.start
    }

    /// Makes it fit `len` bytes in a memory of `size` that has room for so many more, and says how many pages the memory
    /// is to grow by for that.
    pub(super) fn fit(&mut self, size: u64, len: u64, room: u64) -> u64 {
        (self.start, self.age) = match self.age {
            Age::Unused => (size.saturating_add(headroom(len, room)), Age::Suspect),
            Age::Kept if self.end == size => (self.start, Age::Kept),
            Age::Suspect | Age::Kept => (size, Age::Kept),
        };
        let pages = self.start.saturating_add(len).saturating_sub(size).div_ceil(PAGE);
        self.end = size.saturating_add(pages.saturating_mul(PAGE));
        pages
    }
}

/// No more than half of what is left beside the input, in whole pages.
fn headroom(len: u64, room: u64) -> u64 {
    let spare = room.saturating_sub(len.div_ceil(PAGE).saturating_mul(PAGE)) / 2;
    len.saturating_mul(HEADROOM_FACTOR).max(HEADROOM).min(spare) / PAGE * PAGE
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
        fn input_is_where_no_guest_is(
            initial in 0_u64..4,
            limit in 4_u64..400,
            steps in proptest::collection::vec(step(), 1..60),
        ) {
            let limit = limit * PAGE;
            let mut size = initial * PAGE;
            // What belongs to an allocator that takes all there is whenever it grows, and in the first call.
            let mut guests = size;
            let mut region = Region::default();
            // What the memory has at most, since the guest took all of it.
            let (mut base, mut longest) = (size, 0);
            let mut is_first = true;
            for step in steps {
                match step {
                    Step::GuestGrows(pages) => {
                        let grown = size + pages * PAGE;
                        if grown <= limit {
                            size = grown;
                            (guests, base, longest) = (size, size, 0);
                        }
                    }
                    Step::Input(len) => {
                        let room = limit.saturating_sub(size);
                        let before = region;
                        let growth = region.fit(size, len, room) * PAGE;
                        if growth > room {
                            // Refused: only for want of room for the input itself.
                            prop_assert!(len.div_ceil(PAGE) * PAGE > room);
                            region = before;
                            continue;
                        }
                        size += growth;
                        prop_assert!(region.start() >= guests);
                        prop_assert!(region.start() + len <= size);
                        longest = longest.max(len);
                        if is_first {
                            is_first = false;
                            (guests, base, longest) = (size, size, 0);
                        } else {
                            // Inputs of all lengths together take what the longest takes.
                            prop_assert!(size <= base + longest.div_ceil(PAGE) * PAGE);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_input_is_some_way_off() {
        let (mut small, mut large) = (Region::default(), Region::default());
        assert_eq!((small.fit(PAGE, 10, 100 * PAGE), small.start()), (9, 9 * PAGE));
        assert_eq!((large.fit(PAGE, 4 * PAGE, 100 * PAGE), large.start()), (20, 17 * PAGE));
        let mut tight = Region::default();
        assert_eq!((tight.fit(PAGE, PAGE, 2 * PAGE), tight.start()), (1, PAGE));
    }

    #[test]
    fn it_is_kept_from_the_second_input_on_until_the_guest_grows() {
        let mut region = Region { age: Age::Suspect, ..Region::default() };
        assert_eq!((region.fit(PAGE, 10, PAGE), region.start()), (1, PAGE));
        assert_eq!((region.fit(2 * PAGE, PAGE, 0), region.start()), (0, PAGE));
        assert_eq!((region.fit(2 * PAGE, PAGE + 1, PAGE), region.start()), (1, PAGE));
        assert_eq!((region.fit(4 * PAGE, 1, PAGE), region.start()), (1, 4 * PAGE));
    }
}
