use std::time::{Duration, Instant};

use test_guests as guest;
use wasm_host::{Command, CommandError, CommandLimit, CommandLimits, PluginEngine};

use super::{BEHAVE, command, command_with};

/// Long enough for a machine that is busy, and much shorter than the guests would go on.
const SOON: Duration = Duration::from_secs(60);

fn short() -> CommandLimits {
    CommandLimits { time: Duration::from_millis(200), ..CommandLimits::default() }
}

fn over(error: CommandError) -> (CommandLimit, String, String) {
    match error {
        CommandError::Limit { limit, reason, stderr } => (limit, reason, stderr),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn stops_a_guest_that_takes_too_long() {
    for file in BEHAVE {
        let command = command_with(file, short()).await;
        for input in ["loop", "sleep", "nap"] {
            let begun = Instant::now();
            let (limit, reason, _) = over(command.run(input).await.unwrap_err());
            assert_eq!(limit, CommandLimit::Time, "{input}");
            assert!(reason.ends_with("longer than 200ms"), "{input}: {reason}");
            assert!(begun.elapsed() >= Duration::from_millis(190) && begun.elapsed() < SOON, "{input}");
        }
        let (.., stderr) = over(command.run("say-and-loop").await.unwrap_err());
        assert_eq!(stderr, "still here\n");
    }
}

#[tokio::test]
pub(crate) async fn command_start_loop() {
    let command = command_with(guest::COMMAND_START_LOOP, short()).await;
    let (limit, ..) = over(command.run("").await.unwrap_err());
    assert_eq!(limit, CommandLimit::Time);
}

#[tokio::test]
async fn stops_a_guest_that_grows() {
    for file in BEHAVE {
        let limits = CommandLimits { memory: 16 << 20, time: SOON, ..CommandLimits::default() };
        let (limit, reason, stderr) = over(command_with(file, limits).await.run("grow").await.unwrap_err());
        assert_eq!(limit, CommandLimit::Memory);
        assert!(reason.contains("`limits.memory` is 16777216 bytes"), "{reason}");
        assert!(stderr.contains("memory allocation of 1048576 bytes failed"), "{stderr}");
    }
}

#[tokio::test]
pub(crate) async fn command_huge_memory() {
    let (limit, reason, _) = over(command(guest::COMMAND_HUGE_MEMORY).await.run("").await.unwrap_err());
    assert_eq!(limit, CommandLimit::Memory);
    assert_eq!(reason, "wants 536870912 bytes of memory, `limits.memory` is 134217728 bytes");
    let limits = CommandLimits { memory: 512 << 20, ..CommandLimits::default() };
    command_with(guest::COMMAND_HUGE_MEMORY, limits).await.run("").await.unwrap();
}

/// C, without the care of a standard library.
#[tokio::test]
pub(crate) async fn command_hostile() {
    let limits = CommandLimits { time: SOON, ..CommandLimits::default() };
    let command = command_with(guest::COMMAND_HOSTILE, limits).await;
    let text = async |input: &'static str| command.run(input).await.unwrap().text().unwrap();
    assert_eq!(text("grow").await, "refused");
    assert_eq!(text("look").await, "files 0 directory 0 file 0 environment 0");
    let (limit, reason, _) = over(command.run("u").await.unwrap_err());
    assert_eq!((limit, reason.as_str()), (CommandLimit::Output, "wrote more than 4194304 bytes to stdout"));
    for input in ["recurse", "abort"] {
        let error = command.run(input).await.unwrap_err();
        assert!(matches!(error, CommandError::Trap { .. }), "{input}: {error:?}");
    }
    assert_eq!(command.run("exit").await.unwrap_err(), CommandError::Exit { code: 70, stderr: String::new() });
}

#[tokio::test]
async fn stops_a_guest_that_writes_too_much() {
    for file in BEHAVE {
        let limits = CommandLimits { output: 10_000, time: SOON, ..CommandLimits::default() };
        let command = command_with(file, limits).await;
        for input in ["flood", "write 10001"] {
            let error = command.run(input).await.unwrap_err();
            let told = "went over its limit of output: wrote more than 10000 bytes to stdout";
            assert_eq!(error.to_string(), told, "{input}");
        }
        assert_eq!(command.run("write 10000").await.unwrap().stdout.len(), 10_000);
    }
}

#[tokio::test]
async fn keeps_the_end_of_a_flood_on_stderr() {
    for file in BEHAVE {
        let limits = CommandLimits { stderr: 100, time: SOON, ..CommandLimits::default() };
        let CommandError::Exit { code: 1, stderr } =
            command_with(file, limits).await.run("flood-stderr").await.unwrap_err()
        else {
            panic!()
        };
        assert!(stderr.len() <= 100 && stderr.ends_with("line 199998\nline 199999\n"), "{stderr}");
    }
}

#[tokio::test]
async fn refuses_an_input_that_is_too_large() {
    let limits = CommandLimits { input: 4, ..CommandLimits::default() };
    let command = command_with(guest::COMMAND_UPPER, limits).await;
    assert_eq!(command.run("four").await.unwrap().text().unwrap(), "FOUR");
    let (limit, reason, _) = over(command.run("fives").await.unwrap_err());
    assert_eq!((limit, reason.as_str()), (CommandLimit::Input, "was given 5 bytes, and 4 are allowed"));
}

/// The guest is gone with the future: the engine's only place is free again.
#[tokio::test]
async fn dropping_a_run_stops_the_guest() {
    let engine = PluginEngine::builder().max_instances(1).build().unwrap();
    for file in BEHAVE {
        let limits = CommandLimits { time: Duration::from_secs(3600), ..CommandLimits::default() };
        let command = Command::builder().file(file).limits(limits).load(&engine).await.unwrap();
        for input in ["loop", "sleep"] {
            let run = tokio::time::timeout(Duration::from_millis(50), command.run(input));
            run.await.expect_err("it goes on for an hour");
            assert_eq!(command.run("words").await.unwrap().text().unwrap(), "said\n");
        }
        let mut other = Box::pin(command.run("sleep"));
        tokio::time::timeout(Duration::from_millis(50), &mut other).await.expect_err("it sleeps for an hour");
        let error = command.run("words").await.unwrap_err();
        assert!(matches!(error, CommandError::Saturated { .. }), "{error:?}");
    }
}

/// What a plugin keeps for later makes room for what is to run now.
#[tokio::test]
async fn an_idle_plugin_makes_room() {
    let engine = PluginEngine::builder().max_instances(1).build().unwrap();
    let reuse = wasm_host::PoolPolicy::Reuse(wasm_host::Reuse::default());
    let plugin = wasm_host::Plugin::builder("idle").file(guest::NATIVE_COUNT).pool(reuse).load(&engine).await.unwrap();
    assert_eq!(plugin.stats().idle, 1);
    let command = Command::builder().file(guest::COMMAND_UPPER).load(&engine).await.unwrap();
    assert_eq!(command.run("a").await.unwrap().text().unwrap(), "A");
    assert_eq!(plugin.stats().idle, 0);
}
