//! Time and random numbers of a guest, as WASI asks for them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rand::{RngExt as _, SeedableRng, rngs::StdRng};
use sha2::{Digest as _, Sha256};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::Clock;

/// Where all instances of an engine take time and random numbers from.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) clock: Arc<dyn Clock>,
    /// Absent: from the system, secure.
    pub(crate) seed: Option<u64>,
}

impl Sources {
    /// Gives them to an instance of a plugin, its `ordinal`th.
    pub(super) fn give(&self, wasi: &mut WasiCtxBuilder, plugin: &str, ordinal: u64) {
        wasi.wall_clock(Wall(Arc::clone(&self.clock))).monotonic_clock(Monotonic(Arc::clone(&self.clock)));
        if let Some(seed) = self.seed {
            let of = |purpose: &str| StdRng::from_seed(derive(seed, plugin, ordinal, purpose));
            wasi.secure_random(of("random"))
                .insecure_random(of("insecure"))
                .insecure_random_seed(of("insecure-seed").random());
        }
    }
}

/// A seed that no two instances share, and that is the same in every run.
fn derive(seed: u64, plugin: &str, ordinal: u64, purpose: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(ordinal.to_le_bytes());
    hash.update(purpose);
    hash.update([0]);
    hash.update(plugin);
    hash.finalize().into()
}

struct Wall(Arc<dyn Clock>);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

struct Monotonic(Arc<dyn Clock>);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.monotonic().as_nanos()).unwrap_or(u64::MAX)
    }
}
