//! The hostcalls of AEGIS, for guests in Rust, and what a guest exports for those that are called with a pointer.

use std::alloc::{Layout, handle_alloc_error};

/// The hostcalls as they are imported.
pub mod raw {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub fn get_shared_buffer(to: *mut u8, offset: usize, len: usize) -> i32;
        pub fn request_get_body() -> i32;
        pub fn request_get_header(name: *const u8, len: usize) -> i32;
        pub fn request_set_body(body: *const u8, len: usize) -> i32;
        pub fn request_set_header(name: *const u8, len: usize, value: *const u8, value_len: usize) -> i32;
        pub fn request_remove_header(name: *const u8, len: usize) -> i32;
        pub fn request_terminate(status: i32) -> i32;
        pub fn response_set_status(status: i32) -> i32;
        pub fn response_set_header(name: *const u8, len: usize, value: *const u8, value_len: usize) -> i32;
        pub fn response_remove_header(name: *const u8, len: usize) -> i32;
        pub fn response_set_body(body: *const u8, len: usize) -> i32;
    }
}

/// What a getter has left in the shared buffer, which is so long; none when it failed.
pub fn fetch(len: i32) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    let got = unsafe { raw::get_shared_buffer(bytes.as_mut_ptr(), 0, bytes.len()) };
    (got == len).then_some(bytes)
}

pub fn request_header(name: &str) -> Option<Vec<u8>> {
    fetch(unsafe { raw::request_get_header(name.as_ptr(), name.len()) })
}

/// Memory for what the host hands over.
///
/// # Panics
/// When there is none left.
pub fn allocate(len: usize) -> *mut u8 {
    let layout = Layout::array::<u8>(len.max(1)).expect("no length of memory");
    let at = unsafe { std::alloc::alloc(layout) };
    if at.is_null() { handle_alloc_error(layout) } else { at }
}

/// Takes back what [`allocate`] gave.
///
/// # Safety
/// It is exactly that, of that length.
pub unsafe fn release(at: *mut u8, len: usize) {
    if let Ok(layout) = Layout::array::<u8>(len.max(1)) {
        unsafe { std::alloc::dealloc(at, layout) };
    }
}

/// Exports `alloc` and `dealloc`.
#[macro_export]
macro_rules! allocator {
    () => {
        #[unsafe(no_mangle)]
        extern "C" fn alloc(len: usize) -> *mut u8 {
            $crate::allocate(len)
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn dealloc(at: *mut u8, len: usize) {
            unsafe { $crate::release(at, len) }
        }
    };
}
