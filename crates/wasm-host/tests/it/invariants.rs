//! Rules of ARCHITECTURE.md that the compiler does not check.

use std::{fs, path::Path};

fn sources(under: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(under)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

#[test]
fn capabilities_know_neither_abis_nor_wasmtime() {
    for (path, source) in sources("capability") {
        for word in ["abi", "wasmtime", "store"] {
            assert!(!source.contains(&format!("{word}::")), "{path} uses {word}");
        }
    }
}

#[test]
fn abis_know_neither_pool_nor_chain() {
    for (path, source) in sources("abi") {
        for word in ["pool", "chain", "plugin", "engine"] {
            assert!(!source.contains(&format!("crate::{word}::")), "{path} uses {word}");
        }
    }
}

#[test]
fn an_abi_knows_no_other() {
    let abis = ["native", "sgl", "odin", "blitz", "aegis", "command"];
    for own in abis {
        for (path, source) in sources(&format!("abi/{own}")) {
            for other in abis.into_iter().filter(|other| *other != own) {
                assert!(!source.contains(&format!("abi::{other}")), "{path} uses {other}");
                assert!(!source.contains(&format!("super::super::{other}")), "{path} uses {other}");
            }
        }
    }
}

#[test]
fn guest_memory_is_read_in_one_place() {
    let elsewhere = |(path, _): &(String, String)| !path.ends_with("abi/memory.rs");
    for (path, source) in sources(".").into_iter().filter(elsewhere) {
        for word in ["get_memory(", "Extern::Memory", "wasmtime::Memory", "data_and_store_mut("] {
            assert!(!source.contains(word), "{path} has {word}");
        }
    }
}

#[test]
fn the_library_has_no_server_and_no_socket() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let (dependencies, _) = manifest.split_once("[dev-dependencies]").unwrap();
    for name in ["hyper", "tower", "axum", "reqwest"] {
        assert!(!dependencies.contains(name), "wasm-host depends on {name}");
    }
    for (path, source) in sources(".") {
        assert!(!source.contains("std::net::Tcp") && !source.contains("tokio::net"), "{path} opens a socket");
    }
}
