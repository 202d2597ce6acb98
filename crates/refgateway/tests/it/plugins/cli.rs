use std::process::Stdio;

use test_guests::{
    NATIVE_CONFIGURE, NATIVE_COUNT, NATIVE_EDIT, NATIVE_EDIT_ON_UNKNOWN, NATIVE_GATE, NATIVE_MISSING_IMPORTS,
    NATIVE_WRONG_WORLD,
};

use crate::support::*;

#[test]
fn inspect_prints_what_a_plugin_is() {
    let (code, stdout, stderr) = output(&["plugin", "inspect", NATIVE_EDIT]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines[0], format!("file      {NATIVE_EDIT}"));
    for line in [
        "kind      component",
        "abi       native",
        "exports   wasm-host:plugin/request-phase@0.1.0",
        "exports   wasm-host:plugin/response-phase@0.1.0",
    ] {
        assert!(lines.contains(&line), "{line} in {stdout}");
    }
    assert!(!stdout.contains("world"), "{stdout}");

    let (code, stdout, _) = output(&["plugin", "inspect", "--wit", NATIVE_EDIT]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("  export wasm-host:plugin/response-phase@0.1.0;"), "{stdout}");
}

#[test]
fn inspect_knows_a_core_module_that_carries_its_world() {
    let (code, stdout, _) = output(&["plugin", "inspect", NATIVE_EDIT_ON_UNKNOWN]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("kind      core module, made a component when it is loaded\n"), "{stdout}");
    assert!(stdout.contains("abi       native\n"), "{stdout}");
}

#[test]
fn inspect_says_what_is_wrong() {
    let (code, stdout, stderr) = output(&["plugin", "inspect", NATIVE_MISSING_IMPORTS]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("imports   test:missing/database\n"), "{stdout}");
    assert_eq!(
        stderr,
        "the guest imports what the native ABI does not offer: test:missing/database, test:missing/queue\n"
    );

    let (code, stdout, stderr) = output(&["plugin", "inspect", NATIVE_WRONG_WORLD]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("abi       none\nexports   add\n"), "{stdout}");
    assert!(stderr.starts_with("no plugin ABI fits this component: it exports add; supported are: native"), "{stderr}");

    let (_directory, text) = file("notes.wasm", "hello");
    let (code, stdout, stderr) = output(&["plugin", "inspect", &text]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.starts_with(&format!("{text}: not a WebAssembly file: it starts with ")), "{stderr}");

    let (code, _, stderr) = output(&["plugin", "inspect", "/nowhere/p.wasm"]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("/nowhere/p.wasm: No such file or directory"), "{stderr}");

    // Without an end, it would be read until the machine has no memory.
    let (code, _, stderr) = output(&["plugin", "inspect", "/dev/zero"]);
    assert_eq!((code, stderr.as_str()), (Some(1), "/dev/zero: it is no regular file\n"));
}

#[tokio::test]
async fn run_puts_plugins_in_front_of_an_upstream() {
    let upstream = Upstream::echo().await;
    let url = format!("http://{}", upstream.address);
    let arguments = [
        "run",
        "--upstream",
        &url,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--plugin",
        NATIVE_EDIT,
        "--plugin",
        NATIVE_COUNT,
    ];
    let mut gateway = Running::start(&arguments);
    let answer = get(&format!("http://{}/", gateway.address())).await;
    assert_eq!((answer.status.as_u16(), answer.text(), answer.header("set-cookie")), (200, "1", Some("b=2")));
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn run_ends_when_a_plugin_does_not_load() {
    let (_directory, text) = file("notes.wasm", "hello");
    for (plugin, reason) in [
        ("typo.wasm", "plugin `plugin-1`: cannot read plugin file typo.wasm: No such file".to_owned()),
        (text.as_str(), format!("plugin `plugin-1`: {text}: not a WebAssembly file: it starts with ")),
        (NATIVE_GATE, "plugin `plugin-1` refuses its config: missing field `token`".to_owned()),
    ] {
        let arguments = ["run", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--plugin", plugin];
        let mut command = refgateway(&arguments);
        let ended = command.stdout(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{stderr}");
        assert!(stderr.lines().last().unwrap().starts_with(&reason), "{stderr}");
    }
}

#[test]
fn check_loads_the_plugins() {
    let upstream = "127.0.0.1:1".parse().unwrap();
    let listener = "listeners: [{ address: '127.0.0.1:0' }]\n";
    let good = Plugged::to(upstream).through("count", NATIVE_COUNT, "").text() + listener;
    let (_directory, path) = file("good.yaml", &good);
    let (code, stdout, _) = output(&["check", "--config", &path]);
    assert_eq!((code, stdout.as_str()), (Some(0), "ok: 1 listener, 1 route, 1 service, 1 plugin\n"));

    let bad = Plugged::to(upstream)
        .through("gone", "/nowhere/p.wasm", "")
        .through("picky", NATIVE_CONFIGURE, "config: { status: s3cr3t }")
        .text()
        + listener;
    let (_directory, path) = file("bad.yaml", &bad);
    let (code, stdout, stderr) = output(&["check", "--config", &path]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    for reason in ["plugin `gone`: cannot read plugin file /nowhere/p.wasm: ", "plugin `picky` refuses its config: "] {
        assert!(stderr.lines().any(|line| line.starts_with(reason)), "{reason} in {stderr}");
    }
    assert!(!stderr.contains("s3cr3t"), "{stderr}");
}

#[test]
fn the_schema_has_the_plugin_section() {
    let (_, stdout, _) = output(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let plugin = &schema["$defs"]["Plugin"];
    assert_eq!(
        (&plugin["additionalProperties"], &plugin["required"]),
        (&false.into(), &serde_json::json!(["name", "file"]))
    );
    for key in ["config", "enabled", "grants", "limits", "on_failure", "pool", "priority"] {
        assert!(plugin["properties"][key].is_object() || plugin["properties"][key] == true, "{key} in {plugin}");
    }
    assert!(schema["$defs"]["OnFailure"]["properties"]["cpu-deadline"].is_object());
    assert!(schema["$defs"]["PluginLimits"]["properties"]["hostcall_bytes"].is_object());
}
