//! How wasm-bindgen names what a module imports.

use super::functions::{Function, Text};

/// What an import of a module that wasm-bindgen made asks for.
pub(super) fn function_of(module: &str, name: &str) -> Option<Function> {
    match (module, name) {
        // Left in a module that the tool has not worked on; there is nothing to describe, nor to refer to.
        ("__wbindgen_externref_xform__", "__wbindgen_externref_table_grow") => return Some(Function::NoTable),
        ("__wbindgen_externref_xform__", "__wbindgen_externref_table_set_null") => return Some(Function::Ignore),
        _ if !is_of_bindgen(module) => return None,
        (_, "__wbindgen_init_externref_table" | "__wbindgen_describe") => return Some(Function::Ignore),
        (_, "__wbindgen_throw") => return Some(Function::Throw),
        _ => {}
    }
    // Before 0.2.93 the underscores of a name are lost; since 0.2.100 or so intrinsics have a hash, too.
    match &*bare_name(name)? {
        "log" => Some(Function::Log),
        "setheader" => Some(Function::SetHeader),
        "getheader" => Some(Function::Text(Text::Header)),
        "getenv" => Some(Function::Text(Text::Env)),
        "getbody" => Some(Function::Text(Text::Body)),
        "wbindgenthrow" => Some(Function::Throw),
        "wbindgeninitexternreftable" => Some(Function::Ignore),
        _ => None,
    }
}

/// The modules under which the targets web, bundler and nodejs of the tool have what the host gives.
fn is_of_bindgen(module: &str) -> bool {
    let is_file = || module.strip_prefix("./").and_then(|file| file.strip_suffix("_bg.js")).is_some();
    matches!(module, "wbg" | "__wbindgen_placeholder__") || is_file()
}

/// `__wbg_<name>_<16 hex>`: the name without its underscores.
fn bare_name(import: &str) -> Option<String> {
    const HASH: usize = 16;
    let (name, hash) = import.strip_prefix("__wbg_")?.rsplit_once('_')?;
    let is_hash = hash.len() == HASH && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hash.then(|| name.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [(&str, Function); 5] = [
        ("log", Function::Log),
        ("set_header", Function::SetHeader),
        ("get_header", Function::Text(Text::Header)),
        ("get_env", Function::Text(Text::Env)),
        ("get_body", Function::Text(Text::Body)),
    ];

    #[test]
    fn knows_the_names_of_real_builds() {
        for (name, function) in [
            ("__wbg_log_5f518eaa68092420", Function::Log),
            ("__wbg_get_header_613c909e222165fc", Function::Text(Text::Header)),
            ("__wbg_getheader_9674ba55f09c7072", Function::Text(Text::Header)),
            ("__wbg___wbindgen_throw_4c88d8bf264fd984", Function::Throw),
            ("__wbindgen_throw", Function::Throw),
            ("__wbindgen_init_externref_table", Function::Ignore),
        ] {
            for module in ["./plugin_bg.js", "wbg", "__wbindgen_placeholder__"] {
                assert_eq!(function_of(module, name), Some(function), "{module}.{name}");
            }
            for module in ["env", "", "./plugin.js", "plugin_bg.js", "wasi_snapshot_preview1"] {
                assert_eq!(function_of(module, name), None, "{module}.{name}");
            }
        }
    }

    proptest! {
        #[test]
        fn underscores_do_not_matter(
            index in 0_usize..NAMES.len(),
            gaps in proptest::collection::vec(0_usize..3, 12),
            hash in "[0-9a-f]{16}",
            stem in "[a-z][a-z0-9_]{0,12}",
        ) {
            let (name, function) = NAMES[index];
            let letters = name.replace('_', "");
            let spread: String =
                letters.chars().zip(gaps).map(|(letter, gap)| format!("{letter}{}", "_".repeat(gap))).collect();
            let module = format!("./{stem}_bg.js");
            prop_assert_eq!(function_of(&module, &format!("__wbg_{spread}_{hash}")), Some(function));
            // Another letter makes another name.
            prop_assert_eq!(function_of(&module, &format!("__wbg_{spread}x_{hash}")), None);
        }

        #[test]
        fn only_a_hash_ends_a_name(hash in "[0-9a-zA-Z]{0,20}") {
            let is_hash = hash.len() == 16 && hash.chars().all(|digit| digit.is_ascii_hexdigit());
            let found = function_of("wbg", &format!("__wbg_log_{hash}"));
            prop_assert_eq!(found, is_hash.then_some(Function::Log));
        }

        #[test]
        fn other_names_are_other_functions(module in ".{0,30}", name in ".{0,40}") {
            if !name.starts_with("__wb") {
                prop_assert_eq!(function_of(&module, &name), None);
                prop_assert_eq!(function_of("wbg", &name), None);
            }
        }
    }
}
