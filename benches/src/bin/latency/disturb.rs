//! What goes on in the gateway beside the requests that are measured.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use benches::{Server, get};

/// Requests here meet a plugin that never ends by itself.
pub(crate) const SPINNING: &str = "/spin";
const BETWEEN_RELOADS: Duration = Duration::from_millis(500);

/// One client asks for what never ends, again and again.
pub(crate) fn spinning<T>(address: SocketAddr, measured: impl FnOnce() -> T) -> T {
    beside(measured, || {
        let answer = get(address, SPINNING, &["x-do: loop"]).unwrap();
        assert!(answer.starts_with("HTTP/1.1 5"), "the plugin is to run into its deadline: {answer}");
    })
}

/// The plugin's file gets other bytes, so that it has to be compiled, and the gateway reads its config again.
pub(crate) fn reloading<T>(server: &Server, plugin: &Path, measured: impl FnOnce() -> T) -> T {
    let original = fs::read(plugin).unwrap();
    let mut version = 0u8;
    beside(measured, || {
        thread::sleep(BETWEEN_RELOADS);
        version = version.wrapping_add(1);
        // A custom section with an empty name.
        let changed = [&original, [0, 2, 0, version].as_slice()].concat();
        let new = plugin.with_extension("new");
        fs::write(&new, changed).unwrap();
        fs::rename(new, plugin).unwrap();
        server.hang_up();
    })
}

/// Does the one again and again while the other runs.
fn beside<T>(measured: impl FnOnce() -> T, mut again: impl FnMut() + Send) -> T {
    /// Also when what is measured panics.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                again();
            }
        });
        let _over = Over(&is_over);
        measured()
    })
}
