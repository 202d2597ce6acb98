//! A small stack, as `.cargo/config.toml` has it for guests of WASI. It is not there for this target, because it would also
//! hold for the guests in the folders below, which are as Blitz's tools make them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("TARGET").is_ok_and(|target| target == "wasm32-unknown-unknown") {
        println!("cargo::rustc-link-arg=-zstack-size=65536");
    }
}
