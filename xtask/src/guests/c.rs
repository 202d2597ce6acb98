use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::BuildError;

/// A guest of one C file.
#[derive(Clone, Copy, Debug)]
pub struct CGuest<'a> {
    /// The file.
    pub source: &'a Path,
    /// What clang and its linker are told besides: `-mexec-model=reactor` for a module without `main`, `-nostdlib
    /// -Wl,--no-entry` for one without a C library.
    pub flags: &'a [&'a str],
}

/// Builds a C guest for WASI preview 1, with Debian's clang, lld and wasi-libc.
pub fn build_c(guest: CGuest<'_>, output: &Path) -> Result<PathBuf, BuildError> {
    const PACKAGES: &str = "clang lld wasi-libc libclang-rt-dev-wasm32";
    let mut clang = Command::new("clang");
    clang.args(["--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror"]).args(guest.flags);
    clang.arg("-o").arg(output).arg(guest.source);
    let status = clang.status().map_err(|error| {
        BuildError::Tool(format!("cannot start clang ({error}): on Debian, `apt-get install {PACKAGES}`"))
    })?;
    if status.success() {
        Ok(output.to_owned())
    } else {
        let source = guest.source.display();
        Err(BuildError::Tool(format!("clang failed on {source} ({status}); it needs Debian's {PACKAGES}")))
    }
}
