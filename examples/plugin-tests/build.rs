//! Builds the example plugins and names each of them.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use xtask::guests::{self, GuestSet, Pick};

fn main() -> Result<(), Box<dyn Error>> {
    let plugins = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../plugins").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for watched in ["../plugins", "../../crates/wasm-host-guest/src", "../../wit"] {
        println!("cargo::rerun-if-changed={watched}");
    }

    let set = GuestSet { workspace: &plugins, target: "wasm32-wasip2", pick: Pick::Packages };
    let built = guests::build(set, &out.join("target"))?;
    fs::write(out.join("plugins.rs"), names(&plugins, &built)?)?;
    Ok(())
}

/// A constant for each plugin, with its file and its folder among the sources, and one for all.
fn names(sources: &Path, built: &[(String, PathBuf)]) -> Result<String, Box<dyn Error>> {
    let mut source = String::new();
    for (name, file) in built {
        let folder = sources.join(name.replace('_', "-"));
        writeln!(source, "/// The plugin in {folder:?}.")?;
        writeln!(source, "pub const {}: Example = Example {{", name.to_uppercase())?;
        writeln!(source, "    name: {name:?},\n    file: {file:?},\n    folder: {folder:?},\n}};")?;
    }
    let all: Vec<_> = built.iter().map(|(name, _)| name.to_uppercase()).collect();
    writeln!(source, "/// All of them.\npub const ALL: [Example; {}] = [{}];", all.len(), all.join(", "))?;
    Ok(source)
}
