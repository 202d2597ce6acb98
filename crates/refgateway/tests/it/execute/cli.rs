use std::{
    io::Write,
    process::{Output, Stdio},
};

use test_guests as guest;

use crate::support::*;

/// Runs `plugin exec` with this input: exit code, standard output, standard error.
fn exec(arguments: &[&str], input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    let mut command = refgateway(&[&["plugin", "exec"], arguments].concat());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // A command that is refused before it reads closes its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code(), stdout, String::from_utf8(stderr).unwrap())
}

#[test]
fn exec_prints_what_the_command_writes() {
    for file in [guest::COMMAND_UPPER, guest::COMMAND_UPPER_COMPONENT] {
        assert_eq!(exec(&[file], b"text\n"), (Some(0), b"TEXT\n".to_vec(), String::new()));
    }
    let (code, stdout, stderr) = exec(&[guest::COMMAND_BEHAVE], b"words on the side");
    assert_eq!((code, &stdout[..], stderr.as_str()), (Some(0), &b"said\n"[..], "on the side\n"));
}

#[test]
fn exec_fails_with_the_command() {
    let file = guest::COMMAND_BEHAVE;
    for (arguments, input, expected) in [
        (&[file][..], "complain no such thing", "exited with code 1; stderr: no such thing"),
        (&["--timeout", "200ms", file], "loop", "went over its limit of time: "),
        (&["--memory", "16MiB", "--timeout", "1m", file], "grow", "went over its limit of memory: wants "),
        (
            &[file],
            "not-text",
            "its output is not UTF-8 text, from byte 2 on; binary output has to be asked for, by `--binary`",
        ),
    ] {
        let (code, stdout, stderr) = exec(arguments, input.as_bytes());
        assert_eq!((code, &stdout[..]), (Some(1), &b""[..]), "{stderr}");
        assert!(stderr.starts_with(&format!("{file}: {expected}")), "{stderr}");
    }
    let (code, stdout, stderr) = exec(&["--binary", file], b"not-text");
    assert_eq!((code, &stdout[..], stderr.as_str()), (Some(0), &b"ok\xff\xfe"[..], ""));
}

#[test]
fn exec_names_what_it_cannot_run() {
    let (code, _, stderr) = exec(&["/nowhere/c.wasm"], b"");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/nowhere/c.wasm: No such file"), "{stderr}");
    let (code, _, stderr) = exec(&[guest::NATIVE_EDIT], b"");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("it is a plugin of the native ABI and no command"), "{stderr}");
    let (code, _, stderr) = exec(&[guest::COMMAND_UPPER], &vec![b'a'; (1 << 20) + 1]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("went over its limit of input: was given 1048577 bytes, and 1048576 are allowed"),
        "{stderr}"
    );
    for wrong in [&["--timeout", "5", guest::COMMAND_UPPER][..], &["--memory", "much", guest::COMMAND_UPPER], &[]] {
        assert_eq!(exec(wrong, b"").0, Some(2), "{wrong:?}");
    }
}

#[test]
fn inspect_knows_a_command() {
    for (file, kind) in [(guest::COMMAND_UPPER, "core module"), (guest::COMMAND_UPPER_COMPONENT, "component")] {
        let (code, stdout, stderr) = output(&["plugin", "inspect", file]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert!(stdout.contains(&format!("kind      {kind}\nabi       command\n")), "{stdout}");
    }
}
