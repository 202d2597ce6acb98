//! A copy of a cached file's code in memory, as a file of its own: it is mapped and not copied once more, and whoever cuts the
//! cached file short takes nothing from under code that runs.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// As much as stays in a processor's cache from reading to writing.
const PIECE: usize = 128 << 10;

pub(super) struct CodeCopy(File);

impl CodeCopy {
    /// Copies all that is left of a file, and shows it piece by piece. From then on nobody can change it.
    pub(super) fn of(mut from: impl Read, mut look: impl FnMut(&[u8])) -> io::Result<Self> {
        let memory: OwnedFd = memfd_create("wasm-host-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut copy = File::from(memory);
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = match from.read(&mut buffer)? {
                0 => break,
                read => buffer.get(..read).unwrap_or_default(),
            };
            look(piece);
            copy.write_all(piece)?;
        }
        fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self(copy))
    }

    /// Where it can be opened, in this process and as long as this exists.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}
