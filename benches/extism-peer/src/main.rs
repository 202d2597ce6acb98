//! `extism-peer GUEST SECONDS [HEADER]...`: prints how often a second the guest is called with these headers, on a plugin
//! that is used again and on one that is made for each call.

mod sys;

use std::{
    env,
    ffi::CStr,
    fs, ptr, slice,
    time::{Duration, Instant},
};

fn main() {
    let mut arguments = env::args().skip(1);
    let (Some(guest), Some(seconds)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: extism-peer GUEST SECONDS [HEADER]...");
        std::process::exit(2);
    };
    let time = Duration::from_secs(seconds.parse().expect("a number of seconds"));
    let headers: String = arguments.flat_map(|header| [header, "\n".to_owned()]).collect();

    let compiled = Compiled::new(&fs::read(guest).expect("the guest's file"));
    let reused = Plugin::new(&compiled);
    assert_eq!(reused.call(""), b"401", "the guest lets a request without the secret pass");
    println!("{}", per_second(time, || pass(&reused, &headers)));
    println!("{}", per_second(time, || pass(&Plugin::new(&compiled), &headers)));
}

fn pass(plugin: &Plugin, headers: &str) {
    assert_eq!(plugin.call(headers), b"x-plugin: 1", "the guest refuses the secret");
}

fn per_second(time: Duration, call: impl Fn()) -> f64 {
    for _ in 0..100 {
        call();
    }
    let (start, mut calls) = (Instant::now(), 0);
    while start.elapsed() < time {
        call();
        calls += 1;
    }
    f64::from(calls) / start.elapsed().as_secs_f64()
}

struct Compiled(*mut sys::CompiledPlugin);

impl Compiled {
    fn new(module: &[u8]) -> Self {
        // SAFETY: the module is there during the call; no functions and no place for an error are what null means.
        let plugin = unsafe {
            sys::extism_compiled_plugin_new(
                module.as_ptr(),
                module.len() as u64,
                ptr::null_mut(),
                0,
                false,
                ptr::null_mut(),
            )
        };
        assert!(!plugin.is_null(), "the guest does not compile");
        Self(plugin)
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        // SAFETY: it was made by Extism, and is not used any more.
        unsafe { sys::extism_compiled_plugin_free(self.0) }
    }
}

struct Plugin(*mut sys::Plugin);

impl Plugin {
    fn new(compiled: &Compiled) -> Self {
        // SAFETY: what was compiled is there during the call; null is no place for an error.
        let plugin = unsafe { sys::extism_plugin_new_from_compiled(compiled.0, ptr::null_mut()) };
        assert!(!plugin.is_null(), "the plugin cannot be made");
        Self(plugin)
    }

    /// What the guest makes of the input. It is there until the next call.
    fn call(&self, input: &str) -> &[u8] {
        // SAFETY: the plugin is there, and the input during the call. The output is the plugin's, until it is called
        // again; this program compares it before it does.
        unsafe {
            let name = c"on_request".as_ptr();
            let result = sys::extism_plugin_call(self.0, name, input.as_ptr(), input.len() as u64);
            if result != 0 {
                panic!("the call failed: {:?}", CStr::from_ptr(sys::extism_plugin_error(self.0)));
            }
            let length = sys::extism_plugin_output_length(self.0) as usize;
            slice::from_raw_parts(sys::extism_plugin_output_data(self.0), length)
        }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: it was made by Extism, and is not used any more.
        unsafe { sys::extism_plugin_free(self.0) }
    }
}
