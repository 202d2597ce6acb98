//! What the ABIs of components have in common.

use wasmtime::component::{
    Component, InstancePre, Linker,
    types::{ComponentInstance, ComponentItem},
};

use crate::{Error, Result, abi::core_module::misfit, store::HostState};

/// The version that WASI 0.2 is linked under. A guest may ask for any patch of 0.2.
pub(crate) const WASI: &str = "0.2.12";

/// A component with what it imports. `offered` are the packages of the linker, each with the version it is linked
/// under.
pub(crate) fn link(
    abi: &'static str,
    component: &Component,
    mut linker: Linker<HostState>,
    offered: &[(&str, &str)],
) -> Result<InstancePre<HostState>> {
    let missing = missing_imports(component, &mut linker, offered);
    if missing.is_empty() {
        linker.instantiate_pre(component).map_err(|error| misfit(abi, &error))
    } else {
        Err(Error::MissingImports { abi, missing })
    }
}

/// Every function that the component imports and the linker does not have; of an interface or a version that it does not
/// have at all, the interface. An interface of nothing but types needs nobody to have it. What is missing is defined
/// afterwards, and of no use.
fn missing_imports(component: &Component, linker: &mut Linker<HostState>, offered: &[(&str, &str)]) -> Vec<String> {
    let engine = component.engine();
    let mut missing = Vec::new();
    for (name, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            missing.push(name.to_owned());
            continue;
        };
        let Some(linked_name) = linked_name(name, offered) else {
            if !has_only_types(component, &instance) {
                missing.push(name.to_owned());
            }
            continue;
        };
        let functions = instance.exports(engine).filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
        for (function, _) in functions {
            // Defining what is already defined is refused: that tells what the linker has.
            let absent = linker
                .instance(&linked_name)
                .is_ok_and(|mut interface| interface.func_new(function, |_, _, _, _| Ok(())).is_ok());
            if absent {
                missing.push(format!("{name}#{function}"));
            }
        }
    }
    missing
}

fn has_only_types(component: &Component, instance: &ComponentInstance) -> bool {
    instance.exports(component.engine()).all(|(_, item)| matches!(item.ty, ComponentItem::Type(_)))
}

/// The name under which the linker has an interface: a guest may ask for an older version of 0.2 of WASI.
fn linked_name(import: &str, offered: &[(&str, &str)]) -> Option<String> {
    let (interface, version) = import.split_once('@')?;
    let (_, offered) = offered.iter().find(|(package, _)| interface.starts_with(package))?;
    let fits = version == *offered || (*offered == WASI && is_patch_of_0_2(version));
    fits.then(|| format!("{interface}@{offered}"))
}

fn is_patch_of_0_2(version: &str) -> bool {
    version.strip_prefix("0.2.").is_some_and(|patch| patch.parse::<u32>().is_ok())
}
