//! Commands, good and hostile ones: each behaviour on core modules and on components.

mod limits;
mod loading;

pub(crate) use self::{limits::*, loading::*};
use test_guests as guest;
use wasm_host::{Command, CommandError, CommandLimits, CommandOutput};

use crate::common::engine;

/// The same program for WASI preview 1 and as a component.
const BEHAVE: [&str; 2] = [guest::COMMAND_BEHAVE, guest::COMMAND_BEHAVE_COMPONENT];

async fn command(file: &str) -> Command {
    Command::builder().file(file).load(engine()).await.unwrap()
}

async fn command_with(file: &str, limits: CommandLimits) -> Command {
    Command::builder().file(file).limits(limits).load(engine()).await.unwrap()
}

/// Runs a guest that does as it is told.
async fn run(file: &str, input: &'static str) -> Result<CommandOutput, CommandError> {
    command(file).await.run(input).await
}

async fn text(file: &str, input: &'static str) -> String {
    run(file, input).await.unwrap().text().unwrap()
}

#[tokio::test]
pub(crate) async fn command_upper() {
    assert_eq!(text(guest::COMMAND_UPPER, "some text\n").await, "SOME TEXT\n");
    assert_eq!(text(guest::COMMAND_UPPER, "").await, "");
}

#[tokio::test]
pub(crate) async fn command_upper_component() {
    assert_eq!(text(guest::COMMAND_UPPER_COMPONENT, "some text\n").await, "SOME TEXT\n");
    assert_eq!(text(guest::COMMAND_UPPER_COMPONENT, "").await, "");
}

#[tokio::test]
pub(crate) async fn command_count_words() {
    assert_eq!(text(guest::COMMAND_COUNT_WORDS, "one two\nthree\n").await, "2 3 14\n");
    let error = run(guest::COMMAND_COUNT_WORDS, "").await.unwrap_err();
    assert_eq!(error, CommandError::Exit { code: 2, stderr: "wasm-wizard: nothing to count\n".into() });
    assert_eq!(error.to_string(), "exited with code 2; stderr: wasm-wizard: nothing to count");
}

#[tokio::test]
pub(crate) async fn command_behave() {
    behaves(guest::COMMAND_BEHAVE, 3).await;
}

/// A component of today's WASI can only say that it failed, not how.
#[tokio::test]
pub(crate) async fn command_behave_component() {
    behaves(guest::COMMAND_BEHAVE_COMPONENT, 1).await;
}

async fn behaves(file: &str, code_of_3: i32) {
    for exit in ["exit 0", "return 0", "random"] {
        run(file, exit).await.unwrap();
    }
    for exit in ["exit 3", "return 3"] {
        let stderr = String::new();
        assert_eq!(run(file, exit).await.unwrap_err(), CommandError::Exit { code: code_of_3, stderr }, "{exit}");
    }
    let said = run(file, "words on the side").await.unwrap();
    assert_eq!((&said.stdout[..], said.stderr.as_str()), (&b"said\n"[..], "on the side\n"));
    let error = run(file, "complain no such thing").await.unwrap_err();
    assert_eq!(error.to_string(), "exited with code 1; stderr: no such thing");
    let CommandError::Exit { stderr, .. } = run(file, "not-text-on-stderr").await.unwrap_err() else { panic!() };
    assert_eq!(stderr, "bad \u{fffd}\n");
    let error = run(file, "panic at this").await.unwrap_err();
    let CommandError::Trap { reason, stderr } = &error else { panic!("{error}") };
    assert!(reason.contains("unreachable") && stderr.contains("at this"), "{error}");
    assert_eq!(text(file, "past-the-end\nmore").await, "4 0 0");
}

#[tokio::test]
async fn output_that_is_no_text_has_to_be_asked_for() {
    for file in BEHAVE {
        let output = run(file, "not-text").await.unwrap();
        assert_eq!(&output.stdout[..], b"ok\xff\xfe");
        let error = output.text().unwrap_err();
        assert_eq!(error, CommandError::NotUtf8 { at: 2, stderr: String::new() });
        assert_eq!(
            error.to_string(),
            "its output is not UTF-8 text, from byte 2 on; binary output has to be asked for"
        );
    }
}

/// What a command sees of the world around it: its name.
#[tokio::test]
pub(crate) async fn command_look() {
    sees_nothing(guest::COMMAND_LOOK).await;
}

#[tokio::test]
pub(crate) async fn command_look_component() {
    sees_nothing(guest::COMMAND_LOOK_COMPONENT).await;
}

async fn sees_nothing(file: &str) {
    let seen = text(file, "").await;
    let mut expected = vec![r#"args ["wasm-wizard"]"#.to_owned(), "env []".to_owned()];
    for tried in ["list", "list-here", "read", "up", "write", "connect", "resolve"] {
        expected.push(format!("{tried} denied"));
    }
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected);

    let named = Command::builder().file(file).program("other").load(engine()).await.unwrap();
    let seen = named.run("").await.unwrap().text().unwrap();
    assert!(seen.starts_with("args [\"other\"]\n"), "{seen}");
}

#[tokio::test]
async fn runs_share_nothing_and_overlap() {
    let command = command(guest::COMMAND_UPPER).await;
    let runs = (0..32).map(|n| {
        let command = command.clone();
        tokio::spawn(async move { (n, command.run(format!("input {n}")).await.unwrap().text().unwrap()) })
    });
    for run in runs.collect::<Vec<_>>() {
        let (n, output) = run.await.unwrap();
        assert_eq!(output, format!("INPUT {n}"));
    }
}
