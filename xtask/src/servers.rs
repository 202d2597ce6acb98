//! The programs that tests need: servers they start, compilers of guests.

use std::process::{Command, Stdio};

/// Programs that tests need, each with the Debian packages that it takes.
const NEEDED: [(&str, &[&str]); 5] = [
    ("redis-server", &["redis-server"]),
    ("clang", &["clang", "wasi-libc", "libclang-rt-dev-wasm32"]),
    ("wasm-ld", &["lld"]),
    ("node", &["nodejs"]),
    ("npm", &["npm"]),
];

/// Installs what is missing, where that needs no question asked. Fails with what to install.
pub(crate) fn ensure() -> Result<(), String> {
    let missing = |program: &&(&str, &[&str])| !runs(Command::new(program.0).arg("--version"));
    let packages: Vec<_> = NEEDED.iter().filter(missing).flat_map(|(_, packages)| *packages).copied().collect();
    if packages.is_empty() {
        return Ok(());
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    eprintln!("installing {} for the tests", packages.join(", "));
    runs(apt().args(["update", "--quiet"]));
    if runs(apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&packages)) {
        return Ok(());
    }
    Err(format!("the tests need {0}: install it, on Debian with `apt-get install {0}`", packages.join(" ")))
}

fn runs(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}
