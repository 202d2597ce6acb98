use wasmtime::component::{Component, Linker, types::ComponentItem};

use crate::store::HostState;

/// The packages the linker has, each with the version it is linked under.
const OFFERED: [(&str, &str); 11] = [
    ("wasm-host:plugin/", "0.1.0"),
    ("wasi:logging/", "0.1.0-draft"),
    ("wasi:config/", "0.2.0-rc.1"),
    ("wasi:keyvalue/", "0.2.0-draft2"),
    ("wasi:cli/", WASI),
    ("wasi:clocks/", WASI),
    ("wasi:filesystem/", WASI),
    ("wasi:http/", WASI),
    ("wasi:io/", WASI),
    ("wasi:random/", WASI),
    ("wasi:sockets/", WASI),
];
const WASI: &str = "0.2.12";

/// Every function that the component imports and the linker does not have; of an interface or a version that it
/// does not have at all, the interface.
pub(super) fn missing(component: &Component, linker: &Linker<HostState>) -> Vec<String> {
    let engine = component.engine();
    let mut probe = linker.clone();
    let mut missing = Vec::new();
    for (name, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            missing.push(name.to_owned());
            continue;
        };
        let Some(linked_name) = linked_name(name) else {
            missing.push(name.to_owned());
            continue;
        };
        let functions = instance.exports(engine).filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
        for (function, _) in functions {
            // Defining what is already defined is refused: that tells what the linker has.
            let absent = probe
                .instance(&linked_name)
                .is_ok_and(|mut interface| interface.func_new(function, |_, _, _, _| Ok(())).is_ok());
            if absent {
                missing.push(format!("{name}#{function}"));
            }
        }
    }
    missing
}

/// The name under which the linker has an interface: a guest may ask for an older version of 0.2 of WASI.
fn linked_name(import: &str) -> Option<String> {
    let (interface, version) = import.split_once('@')?;
    let (_, offered) = OFFERED.iter().find(|(package, _)| interface.starts_with(package))?;
    let fits = version == *offered || (*offered == WASI && is_patch_of_0_2(version));
    fits.then(|| format!("{interface}@{offered}"))
}

fn is_patch_of_0_2(version: &str) -> bool {
    version.strip_prefix("0.2.").is_some_and(|patch| patch.parse::<u32>().is_ok())
}
