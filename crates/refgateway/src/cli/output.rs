//! What commands write to stdout.

use std::io::{self, StdoutLock, Write};

use super::Failure;

/// Writes a command's result. A reader that has left, having read enough, is no failure.
pub(super) fn print(write: impl FnOnce(&mut StdoutLock<'static>) -> io::Result<()>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Config(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}
