//! The programs that tests need: servers they start, compilers of guests.

use crate::packages::{self, Needed};

const SERVERS: [Needed; 1] = [Needed { check: &["redis-server", "--version"], packages: &["redis-server"] }];
const COMPILERS: [Needed; 4] = [
    Needed { check: &["clang", "--version"], packages: &["clang", "wasi-libc", "libclang-rt-dev-wasm32"] },
    Needed { check: &["wasm-ld", "--version"], packages: &["lld"] },
    Needed { check: &["node", "--version"], packages: &["nodejs"] },
    Needed { check: &["npm", "--version"], packages: &["npm"] },
];

/// Installs what is missing, where that needs no question asked. Fails with what to install.
pub(crate) fn ensure() -> Result<(), String> {
    packages::ensure(&SERVERS, "the tests")?;
    ensure_compilers()
}

/// The same for what builds the test guests.
pub(crate) fn ensure_compilers() -> Result<(), String> {
    packages::ensure(&COMPILERS, "the test guests")
}
