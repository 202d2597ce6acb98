//! `PLUGIN_DIR` and what goes with it.

use test_guests::{NATIVE_COUNT, NATIVE_MISBEHAVE, NATIVE_OBSERVE};

use super::{directory_of, states};
use crate::support::*;

const ARGUMENTS: [&str; 6] = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream"];

fn run(upstream: &Upstream, directory: &std::path::Path, variables: &[(&str, &str)]) -> Running {
    let url = format!("http://{}", upstream.address);
    let arguments = [&ARGUMENTS[..], &[&url]].concat();
    let variables = [&[("PLUGIN_DIR", directory.to_str().unwrap())], variables].concat();
    Running::start_in(&arguments, &variables)
}

/// Runs to its end: exit code and the last line of the log.
fn fails(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = refgateway(&[&ARGUMENTS[..], &["http://127.0.0.1:1"]].concat());
    let ended = command.envs(variables.iter().copied()).output().unwrap();
    let log = String::from_utf8(ended.stderr).unwrap();
    (ended.status.code(), log.lines().last().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_plugin_of_the_directory_is_on_every_route() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("b.wasm", NATIVE_COUNT), ("a.wasm", NATIVE_OBSERVE), ("readme.txt", NATIVE_COUNT)]);
    let mut gateway =
        run(&upstream, directory.path(), &[("PLUGIN_TIMEOUT", "3000"), ("PLUGIN_MEMORY_LIMIT", "4194304")]);
    let url = format!("http://{}/", gateway.address());
    let admin = gateway.admin_address();
    // The instance that counts is kept.
    assert_eq!((get(&url).await.text(), get(&url).await.text()), ("1", "2"));
    let list = get(&format!("http://{admin}/api/plugins")).await.json();
    let plugins = list["plugins"].as_array().unwrap();
    assert_eq!(plugins.iter().map(|plugin| plugin["name"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    for plugin in plugins {
        let limits = &plugin["limits"];
        assert_eq!((&plugin["state"], &plugin["priority"]), (&"active".into(), &100.into()));
        assert_eq!((&limits["cpu_ms"], &limits["wall_ms"]), (&3000.into(), &3000.into()));
        assert_eq!(limits["memory"], 4_194_304);
    }
}

#[tokio::test]
async fn a_bad_file_is_degraded_and_the_others_load() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("good.wasm", NATIVE_OBSERVE)]);
    std::fs::write(directory.path().join("bad.wasm"), "no plugin").unwrap();
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nworkers: 1\nadmin: {{ address: '127.0.0.1:0' }}\n{}",
        Plugged::to(upstream.address).through("own", NATIVE_OBSERVE, "").text()
    );
    let (_file, path) = file("gateway.yaml", &text);
    let by_config =
        Running::start_in(&["run", "--config", &path], &[("PLUGIN_DIR", directory.path().to_str().unwrap())]);
    let by_url = run(&upstream, directory.path(), &[]);
    for (mut gateway, own) in [(by_config, &["own"][..]), (by_url, &[])] {
        let url = format!("http://{}/", gateway.address());
        let states = states(&gateway.admin_address()).await;
        let names: Vec<_> = states.iter().map(|(name, state, _)| (name.as_str(), state.as_str())).collect();
        let own = own.iter().map(|name| (*name, "active"));
        assert_eq!(names, own.chain([("bad", "degraded"), ("good", "active")]).collect::<Vec<_>>());
        let reason = &states[states.len() - 2].2;
        assert!(reason.contains("bad.wasm: not a WebAssembly file"), "{reason}");
        // Nobody knows what it would have decided.
        assert_eq!(get(&url).await.status, 503);
    }
}

#[test]
fn check_fails_for_a_bad_file() {
    let directory = directory_of(&[("good.wasm", NATIVE_OBSERVE)]);
    let text = "listeners: [{ address: '127.0.0.1:0' }]\nroutes: [{ name: all, service: b }]\n\
                services: [{ name: b, upstreams: [{ url: 'http://127.0.0.1:1' }] }]\nadmin: { enabled: false }\n";
    let (_file, path) = file("gateway.yaml", text);
    let check = || {
        let ended = refgateway(&["check", "--config", &path]).env("PLUGIN_DIR", directory.path()).output().unwrap();
        (ended.status.code(), String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap())
    };
    let (code, told) = check();
    assert!(code == Some(0) && told.ends_with("1 plugin\n"), "{told}");
    std::fs::write(directory.path().join("bad.wasm"), "no plugin").unwrap();
    let (code, told) = check();
    assert!(code == Some(1) && told.contains("bad.wasm: not a WebAssembly file"), "{told}");
}

#[tokio::test]
async fn the_directory_is_read_again_on_reload() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("a.wasm", NATIVE_OBSERVE)]);
    let mut gateway = run(&upstream, directory.path(), &[]);
    let url = format!("http://{}/", gateway.address());
    let admin = gateway.admin_address();
    assert_eq!(get(&url).await.json()["method"], "GET");
    std::fs::copy(NATIVE_COUNT, directory.path().join("count.wasm")).unwrap();
    gateway.signal("-HUP");
    gateway.line("config reloaded");
    assert_eq!(get(&url).await.text(), "1");

    // What is broken now serves as before, and keeps nothing else from changing.
    std::fs::write(directory.path().join("count.wasm"), "half").unwrap();
    std::fs::remove_file(directory.path().join("a.wasm")).unwrap();
    gateway.signal("-HUP");
    gateway.line("config reloaded");
    assert_eq!(get(&url).await.text(), "2");
    let states = states(&admin).await;
    assert_eq!((states.len(), states[0].0.as_str(), states[0].1.as_str()), (1, "count", "degraded"));
}

#[tokio::test]
async fn a_memory_limit_below_what_a_plugin_starts_with_names_the_variable() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("big.wasm", NATIVE_OBSERVE)]);
    let mut gateway = run(&upstream, directory.path(), &[("PLUGIN_MEMORY_LIMIT", "65536")]);
    gateway.address();
    let states = states(&gateway.admin_address()).await;
    let (_, state, reason) = &states[0];
    assert_eq!(state, "degraded");
    assert!(reason.contains("bytes of memory, `limits.memory` is 65536 bytes"), "{reason}");
    assert!(reason.ends_with("it is set by PLUGIN_MEMORY_LIMIT (bytes)"), "{reason}");
}

#[tokio::test]
async fn a_timeout_ends_a_plugin() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("spin.wasm", NATIVE_MISBEHAVE)]);
    let mut gateway = run(&upstream, directory.path(), &[("PLUGIN_TIMEOUT", "40")]);
    let url = format!("http://{}/", gateway.address());
    let request = http::Request::get(&url).header("x-do", "loop").body(body::empty()).unwrap();
    assert_eq!(send(&client(), request).await.status, 504);
    let failed = gateway.line("plugin failed");
    assert!(failed["class"].as_str().unwrap().ends_with("-deadline"), "{failed}");
}

#[tokio::test]
async fn messages_below_the_level_are_dropped() {
    let upstream = Upstream::echo().await;
    let directory = directory_of(&[("look.wasm", NATIVE_OBSERVE)]);
    for (level, logs) in [("warn", false), ("INFO", true), ("trace", true)] {
        let mut gateway = run(&upstream, directory.path(), &[("PLUGIN_LOG", level)]);
        get(&format!("http://{}/", gateway.address())).await;
        let log = gateway.whole_log();
        assert!(log.contains("\"access\""), "{log}");
        assert_eq!(log.contains("wasm_host::guest"), logs, "{level}: {log}");
    }
}

#[test]
fn variables_that_make_no_sense_are_named() {
    let directory = directory_of(&[("plugin-1.wasm", NATIVE_OBSERVE)]);
    let here = directory.path().to_str().unwrap();
    for (variables, reason) in [
        (&[("PLUGIN_DIR", "/nowhere")][..], "PLUGIN_DIR: cannot read directory /nowhere: No such file"),
        (
            &[("PLUGIN_DIR", here), ("PLUGIN_MEMORY_LIMIT", "2MB")],
            "PLUGIN_MEMORY_LIMIT: expected a number of bytes, 1 or more, such as 2097152",
        ),
        (
            &[("PLUGIN_DIR", here), ("PLUGIN_TIMEOUT", "-3")],
            "PLUGIN_TIMEOUT: expected a number of milliseconds, 1 or more, such as 3000",
        ),
        (&[("PLUGIN_LOG", "loud")], "PLUGIN_LOG: expected one of trace, debug, info, warn and error"),
    ] {
        let (code, line) = fails(variables);
        assert_eq!(code, Some(1), "{line}");
        assert!(line.starts_with(reason), "{line}");
    }
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let directory = directory_of(&[("plugin-1.wasm", NATIVE_OBSERVE)]);
    let arguments = [&ARGUMENTS[..], &["http://127.0.0.1:1", "--plugin", NATIVE_OBSERVE]].concat();
    let ended = refgateway(&arguments).env("PLUGIN_DIR", directory.path()).output().unwrap();
    let log = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{log}");
    let line = log.lines().last().unwrap();
    assert!(
        line.ends_with(
            "plugin-1.wasm would be the plugin `plugin-1`, and there is another of this name: rename either"
        ),
        "{line}"
    );
}
