//! What is used of Extism's C interface.

use std::ffi::{c_char, c_void};

#[repr(C)]
pub(crate) struct CompiledPlugin([u8; 0]);

#[repr(C)]
pub(crate) struct Plugin([u8; 0]);

unsafe extern "C" {
    pub(crate) fn extism_compiled_plugin_new(
        module: *const u8,
        size: u64,
        functions: *mut *const c_void,
        function_count: u64,
        with_wasi: bool,
        error: *mut *mut c_char,
    ) -> *mut CompiledPlugin;
    pub(crate) fn extism_compiled_plugin_free(plugin: *mut CompiledPlugin);
    pub(crate) fn extism_plugin_new_from_compiled(
        compiled: *const CompiledPlugin,
        error: *mut *mut c_char,
    ) -> *mut Plugin;
    pub(crate) fn extism_plugin_free(plugin: *mut Plugin);
    pub(crate) fn extism_plugin_call(plugin: *mut Plugin, function: *const c_char, input: *const u8, size: u64) -> i32;
    pub(crate) fn extism_plugin_error(plugin: *mut Plugin) -> *const c_char;
    pub(crate) fn extism_plugin_output_length(plugin: *mut Plugin) -> u64;
    pub(crate) fn extism_plugin_output_data(plugin: *mut Plugin) -> *const u8;
}
