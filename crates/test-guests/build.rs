//! Builds the test guests and names each of them.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;
use xtask::guests::{self, CGuest, GuestSet, Pick};

/// The packages whose examples are guests, each with the target that it is for.
const SETS: [(&str, &str); 2] = [("", "wasm32-wasip2"), ("aegis", "wasm32-wasip1")];

/// Guests in C: name, file, flags of the compiler.
const C_GUESTS: [(&str, &str, &[&str]); 1] = [("aegis_filter", "filter/aegis.c", &["-nostdlib", "-Wl,--no-entry"])];

/// What wit-bindgen leaves on targets that make core modules, to be made components on load.
const CORE_TARGETS: [(&str, &str); 2] = [("wasm32-unknown-unknown", "unknown"), ("wasm32-wasip1", "wasip1")];
const CARRIES_WIT: &str = "native_edit";

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let workspace = here.join("guests");
    for watched in ["guests", "../wasm-host-guest/src", "../../wit"] {
        println!("cargo::rerun-if-changed={watched}");
    }

    let target_dir = out.join("target");
    let mut built = Vec::new();
    for (folder, target) in SETS {
        let set = GuestSet { workspace: &workspace.join(folder), target, pick: Pick::Examples };
        built.extend(guests::build(set, &target_dir.join(folder))?);
    }
    for (target, suffix) in CORE_TARGETS {
        let set = GuestSet { workspace: &workspace, target, pick: Pick::Example(CARRIES_WIT) };
        let modules = guests::build(set, &target_dir)?;
        built.extend(modules.into_iter().map(|(name, path)| (format!("{name}_on_{suffix}"), path)));
    }
    for (name, source, flags) in C_GUESTS {
        let output = out.join(name).with_extension("wasm");
        let path = guests::build_c(CGuest { source: &workspace.join(source), flags }, &output)?;
        built.push((name.to_owned(), path));
    }
    for scenario in ["many_memories", "many_elements"] {
        let text = workspace.join(scenario).join("native.wat");
        built.push((format!("native_{scenario}"), embed_request_world(&here, &text, &out)?));
    }
    fs::write(out.join("guests.rs"), names(&built)?)?;
    Ok(())
}

/// A core module of the text, with the world of a plugin that has a request phase in a custom section.
fn embed_request_world(here: &Path, text: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let wit = here.join("../../wit");
    for dependency in ["io", "clocks", "random", "logging", "config", "http", "keyvalue"] {
        resolve.push_dir(wit.join("deps").join(dependency))?;
    }
    let (package, _) = resolve.push_dir(wit.join("plugin@0.1.0"))?;
    let world = resolve.select_world(&[package], Some("request-plugin"))?;
    let mut module = wat::parse_file(text)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let scenario = text.parent().and_then(Path::file_name).ok_or("a guest is in a folder")?;
    let path = out.join(scenario).with_extension("wasm");
    fs::write(&path, module)?;
    Ok(path)
}

/// A constant with each guest's path, and a macro that names them all.
fn names(guests: &[(String, PathBuf)]) -> Result<String, Box<dyn Error>> {
    let mut source = String::new();
    for (name, path) in guests {
        writeln!(source, "/// The file of the guest `{name}`.\npub const {}: &str = {path:?};", name.to_uppercase())?;
    }
    writeln!(source, "/// Calls a macro with the name of each guest.\n#[macro_export]\nmacro_rules! each_guest {{")?;
    writeln!(source, "    ($each:ident) => {{")?;
    for (name, _) in guests {
        writeln!(source, "        $each!({name});")?;
    }
    writeln!(source, "    }};\n}}")?;
    Ok(source)
}
