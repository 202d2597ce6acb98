//! Work that waits while requests need the processors.

/// By how much the nice value is higher: far behind the threads that requests are served on when processors are scarce, and
/// not without a share of them. Of Linux' 100 parts it gets about 10 beside one that does not give way.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// Has this thread leave the processor to others first, where the system lets a thread do so.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = be_nicer() {
        tracing::debug!(%error, "a thread for what can wait keeps its priority");
    }
}

/// To Linux the process without a number is the calling thread.
#[cfg(target_os = "linux")]
fn be_nicer() -> rustix::io::Result<()> {
    const NICEST: i32 = 19;
    let own = rustix::process::getpriority_process(None)?;
    rustix::process::setpriority_process(None, (own + NICER).min(NICEST))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::thread;

    use super::*;

    #[test]
    fn only_the_thread_that_gives_way_does() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let behind = thread::spawn(move || {
            give_way();
            nice()
        });
        assert_eq!(behind.join().unwrap(), (before + NICER).min(19));
        assert_eq!(nice(), before);
    }
}
