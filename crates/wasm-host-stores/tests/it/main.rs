//! Every backend of a capability keeps the same promises, on real files and real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[macro_use]
mod suite;

mod rate_limit;
mod redb;
mod redis;

mod memory {
    //! The embedded default.

    use std::time::Duration;

    use wasm_host::{KvStore, MemoryKv};

    use crate::suite::{Backend, Hands};

    pub(crate) struct Memory(MemoryKv, Hands);

    impl Backend for Memory {
        fn start() -> Self {
            let hands = Hands::default();
            Self(MemoryKv::with_clock(64 << 20, hands.clock()), hands)
        }

        fn store(&self) -> &dyn KvStore {
            &self.0
        }

        async fn pass(&self, time: Duration) {
            self.1.pass(time);
        }
    }

    suite!(Memory);
}
