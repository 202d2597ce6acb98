//! Compiled code on disk is used when it is whole and ours, and never otherwise.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use test_guests::{AEGIS_FILTER, BLITZ_FILTER, NATIVE_COUNT, NATIVE_EDIT_ON_UNKNOWN, SGL_FILTER};
use wasm_host::PluginEngine;

use crate::common::{plugin, status};

fn engine(directory: &Path) -> PluginEngine {
    PluginEngine::builder().max_instances(4).cache_dir(directory).build().unwrap()
}

fn cached(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// A cache with the code of one plugin.
async fn filled() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("cache");
    plugin(NATIVE_COUNT).load(&engine(&place)).await.unwrap();
    (directory, place)
}

#[tokio::test]
async fn code_is_loaded_from_the_cache() {
    let (_directory, place) = filled().await;
    let before = cached(&place);
    assert_eq!(before.len(), 1);
    let modified = fs::metadata(&before[0].0).unwrap().modified().unwrap();

    let plugin = plugin(NATIVE_COUNT).load(&engine(&place)).await.unwrap();
    assert_eq!(status(&plugin, &[]).await, 200);
    assert_eq!(fs::metadata(&before[0].0).unwrap().modified().unwrap(), modified, "it is not written again");
}

/// Every kind of code: what a core module exports is read from its types, and what one that is made a component exports
/// from the component.
#[tokio::test]
async fn nothing_in_the_cache_is_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("cache");
    for file in [NATIVE_COUNT, NATIVE_EDIT_ON_UNKNOWN, SGL_FILTER, AEGIS_FILTER, BLITZ_FILTER] {
        for compilations in [1, 0] {
            let engine = engine(&place);
            plugin(file).load(&engine).await.unwrap();
            assert_eq!(engine.compilations(), compilations, "{file}");
        }
    }
}

#[tokio::test]
async fn code_that_runs_needs_no_file_any_more() {
    let (_directory, place) = filled().await;
    let engine = engine(&place);
    let counts = plugin(NATIVE_COUNT).load(&engine).await.unwrap();
    assert_eq!(engine.compilations(), 0);
    // What was mapped of a file that is cut short would end the process.
    fs::File::options().write(true).open(&cached(&place)[0].0).unwrap().set_len(0).unwrap();
    assert_eq!(status(&counts, &[]).await, 200);
}

#[tokio::test]
async fn damaged_code_is_compiled_again_and_replaced() {
    let (_directory, place) = filled().await;
    let (path, whole) = cached(&place).remove(0);

    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let truncated = whole[..whole.len() - 1].to_vec();
    for damaged in [flipped, truncated, b"something else".to_vec(), Vec::new()] {
        fs::write(&path, &damaged).unwrap();
        let plugin = plugin(NATIVE_COUNT).load(&engine(&place)).await.unwrap();
        assert_eq!(status(&plugin, &[]).await, 200);
        assert_eq!(cached(&place), [(path.clone(), whole.clone())], "it is replaced by what was there");
    }
}

#[tokio::test]
async fn a_directory_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = PluginEngine::builder().cache_dir(directory.path()).build().unwrap_err().to_string();
    assert!(error.contains("others may write to it (mode 777); `chmod 700` it"), "{error}");
}
