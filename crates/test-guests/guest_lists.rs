//! Which guests there are, and what makes each.

use xtask::guests::Pick;

/// The packages whose examples are guests, each with the target that it is for.
pub(crate) const SETS: [(&str, &str); 5] = [
    ("", "wasm32-wasip2"),
    ("sgl", "wasm32-wasip2"),
    ("odin", "wasm32-wasip1"),
    ("blitz_plain", "wasm32-unknown-unknown"),
    ("aegis", "wasm32-wasip1"),
];

/// Packages whose guests are what the tool of wasm-bindgen makes of them: where they are, what of them, and which tool.
pub(crate) const BINDGEN_SETS: [(&str, Pick<'_>, &str); 3] = [
    ("guests/blitz", Pick::Examples, "bindgen"),
    ("../../examples/foreign/blitz", Pick::Packages, "bindgen"),
    ("guests/blitz_old", Pick::Examples, "bindgen-old"),
];
/// The targets of the tool, each with what is appended to the names of guests. Only this guest is made for the others.
pub(crate) const BINDGEN_TARGETS: [(&str, &str); 3] =
    [("web", ""), ("bundler", "_for_bundler"), ("nodejs", "_for_nodejs")];
pub(crate) const FOR_EACH_TARGET: &str = "blitz_old_request_logger";

/// Guests in C: name, file, flags of the compiler.
pub(crate) const C_GUESTS: [(&str, &str, &[&str]); 7] = [
    ("blitz_c_use_host", "use_host/blitz.c", &["-mexec-model=reactor", "-Wl,--export=malloc", "-Wl,--export=free"]),
    ("aegis_edge", "edge/aegis.c", &["-nostdlib", "-Wl,--no-entry"]),
    ("aegis_filter", "filter/aegis.c", &["-nostdlib", "-Wl,--no-entry"]),
    ("odin_use_host", "use_host/odin.c", &["-mexec-model=reactor", "-Wl,--export=malloc", "-Wl,--export=free"]),
    (
        "odin_pair",
        "pair/odin.c",
        &["-nostdlib", "-Wl,--no-entry", "-mmultivalue", "-Xclang", "-target-abi", "-Xclang", "experimental-mv"],
    ),
    ("command_count_words", "count_words/command.c", &[]),
    ("command_hostile", "hostile/command.c", &["-Wno-infinite-recursion"]),
];

/// Guests in AssemblyScript: name and file.
pub(crate) const ASSEMBLY_SCRIPT_GUESTS: [(&str, &str); 1] = [("odin_assembly", "assembly/odin.ts")];

/// Commands are built for both targets that make some; those of the second are named with this at the end.
pub(crate) const COMMANDS: &str = "command";
pub(crate) const COMMAND_TARGETS: [(&str, &str); 2] = [("wasm32-wasip1", ""), ("wasm32-wasip2", "_component")];

/// Guests in the text format, each in the folder of its scenario.
pub(crate) const WAT_COMMANDS: [&str; 3] = ["start_loop", "huge_memory", "missing_imports"];

/// What wit-bindgen leaves on targets that make core modules, to be made components on load.
pub(crate) const CORE_TARGETS: [(&str, &str); 2] = [("wasm32-unknown-unknown", "unknown"), ("wasm32-wasip1", "wasip1")];
pub(crate) const CARRIES_WIT: [(&str, &str); 5] =
    [("", "native_edit"), ("", "native_filter"), ("", "native_leak"), ("", "native_misbehave"), ("sgl", "sgl_auth")];
