//! Links Extism as its Python package `extism-sys` ships it: the crate would build a wasmtime of its own, of a version
//! that needs another compiler than ours.

fn main() {
    println!("cargo::rerun-if-env-changed=EXTISM_LIBRARY");
    match std::env::var("EXTISM_LIBRARY") {
        Ok(directory) => {
            println!("cargo::rustc-link-search=native={directory}");
            println!("cargo::rustc-link-lib=dylib=extism_sys");
            println!("cargo::rustc-link-arg=-Wl,-rpath,{directory}");
        }
        Err(_) => println!("cargo::error=EXTISM_LIBRARY must name the directory of libextism_sys.so"),
    }
}
