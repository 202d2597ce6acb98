//! Builds the test guests and names each of them.

mod guest_lists;

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;
use xtask::guests::{self, AssemblyScriptGuest, CGuest, GuestSet, Pick};

use self::guest_lists::*;

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let workspace = here.join("guests");
    for watched in ["guests", "tools", "../../examples/foreign", "../wasm-host-guest/src", "../../wit"] {
        println!("cargo::rerun-if-changed={watched}");
    }

    let target_dir = out.join("target");
    let mut built = Vec::new();
    for (folder, target) in SETS {
        let set = GuestSet { workspace: &workspace.join(folder), target, pick: Pick::Examples };
        built.extend(guests::build(set, &target_dir.join(folder))?);
    }
    for (target, suffix) in CORE_TARGETS {
        for (folder, example) in CARRIES_WIT {
            let set = GuestSet { workspace: &workspace.join(folder), target, pick: Pick::Example(example) };
            let modules = guests::build(set, &target_dir.join(folder))?;
            built.extend(modules.into_iter().map(|(name, path)| (format!("{name}_on_{suffix}"), path)));
        }
    }
    for (target, suffix) in COMMAND_TARGETS {
        let set = GuestSet { workspace: &workspace.join(COMMANDS), target, pick: Pick::Examples };
        let commands = guests::build(set, &target_dir.join(COMMANDS))?;
        built.extend(commands.into_iter().map(|(name, path)| (format!("{name}{suffix}"), path)));
    }
    for scenario in WAT_COMMANDS {
        let path = out.join(scenario).with_extension("command.wasm");
        fs::write(&path, wat::parse_file(workspace.join(scenario).join("command.wat"))?)?;
        built.push((format!("command_{scenario}"), path));
    }
    for (folder, pick, tool) in BINDGEN_SETS {
        let set = GuestSet { workspace: &here.join(folder), target: "wasm32-unknown-unknown", pick };
        let modules = guests::build(set, &target_dir.join(folder.replace(['.', '/'], "_")))?;
        let tool = guests::build_tool(&here.join("tools").join(tool), "bindgen", &target_dir.join(tool))?;
        for (name, module) in modules {
            built.extend(bind(&tool, &name, &module, &out.join("bindgen"))?);
        }
    }
    for (name, source, flags) in C_GUESTS {
        let output = out.join(name).with_extension("wasm");
        let path = guests::build_c(CGuest { source: &workspace.join(source), flags }, &output)?;
        built.push((name.to_owned(), path));
    }
    for (name, source) in ASSEMBLY_SCRIPT_GUESTS {
        let guest = AssemblyScriptGuest { source: &workspace.join(source), package: &workspace.join("assembly") };
        let output = out.join(name).with_extension("wasm");
        let path = guests::build_assembly_script(guest, &out.join("assembly_script"), &output)?;
        built.push((name.to_owned(), path));
    }
    for scenario in ["many_memories", "many_elements"] {
        let text = workspace.join(scenario).join("native.wat");
        built.push((format!("native_{scenario}"), embed_request_world(&here, &text, &out)?));
    }
    fs::write(out.join("guests.rs"), names(&built)?)?;
    Ok(())
}

/// What the tool makes of a module, of some for each of its targets, and what it is made of.
fn bind(tool: &Path, name: &str, module: &Path, out: &Path) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut built = Vec::new();
    for (target, suffix) in BINDGEN_TARGETS {
        if suffix.is_empty() || name == FOR_EACH_TARGET {
            let directory = out.join(target);
            let status = Command::new(tool).arg(module).arg(&directory).arg(target).status()?;
            if !status.success() {
                return Err(format!("wasm-bindgen failed on {name} ({status})").into());
            }
            built.push((format!("{name}{suffix}"), directory.join(format!("{name}_bg.wasm"))));
        }
    }
    Ok(built)
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
