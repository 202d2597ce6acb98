//! The same without wasm-bindgen: texts are pairs of pointer and length, results a pair packed into 64 bits.

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn log(level: *const u8, level_len: usize, message: *const u8, message_len: usize);
    fn set_header(name: *const u8, name_len: usize, value: *const u8, value_len: usize);
    fn get_header(name: *const u8, name_len: usize) -> u64;
    fn get_env(name: *const u8, name_len: usize) -> u64;
    fn get_body() -> u64;
}

#[unsafe(no_mangle)]
extern "C" fn alloc(size: usize) -> *mut u8 {
    Vec::<u8>::with_capacity(size).leak().as_mut_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dealloc(ptr: *mut u8, size: usize) {
    drop(unsafe { Vec::from_raw_parts(ptr, 0, size) });
}

#[unsafe(no_mangle)]
extern "C" fn init() -> i32 {
    unsafe { log("warn".as_ptr(), 4, "ready".as_ptr(), 5) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn process_request(method: *const u8, method_len: usize, path: *const u8, path_len: usize) -> i32 {
    let (method, path) = unsafe { (borrowed(method, method_len), borrowed(path, path_len)) };
    let variable = of("x-variable", get_header);
    set("x-seen", &format!("{method} {path}"));
    set("x-env", &format!("[{}]", of(&variable, get_env)));
    set("x-headers", &format!("[{}] [{}]", of("X-MANY", get_header), of("x-absent", get_header)));
    set("x-body", &owned(unsafe { get_body() }));
    of("x-code", get_header).parse().unwrap_or(0)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn process_response(status: i32, body: *const u8, body_len: usize) -> i32 {
    let body = unsafe { borrowed(body, body_len) };
    set("x-seen", &format!("{status} {body}"));
    set("x-same", &(owned(unsafe { get_body() }) == body).to_string());
    0
}

fn set(name: &str, value: &str) {
    unsafe { set_header(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

fn of(name: &str, function: unsafe extern "C" fn(*const u8, usize) -> u64) -> String {
    owned(unsafe { function(name.as_ptr(), name.len()) })
}

/// What the host has put into room that it had from `alloc`.
fn owned(packed: u64) -> String {
    let (ptr, len) = (packed as u32 as usize, (packed >> 32) as usize);
    unsafe { String::from_raw_parts(ptr as *mut u8, len, len) }
}

/// An argument, which the host frees.
unsafe fn borrowed<'a>(ptr: *const u8, len: usize) -> &'a str {
    unsafe { str::from_utf8(core::slice::from_raw_parts(ptr, len)) }.expect("the host gives UTF-8")
}
