//! Every limit stops a guest that ignores it, and the next request is served.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::{Duration, Instant},
};

use test_guests::{NATIVE_CONFIGURE, NATIVE_MISBEHAVE};
use wasm_host::{Failure, FailureClass, Limits, Plugin, PluginEngine, PoolPolicy, Reuse};

use crate::common::{Logged, answered, engine, is_alone, open, passed, plugin, request, status};

/// Deadlines that a test waits for. A guest that computes may reach either of them: on a busy machine it waits for its
/// turn.
fn tight() -> Limits {
    Limits { cpu: Duration::from_millis(200), wall: Duration::from_millis(600), ..Limits::default() }
}

/// Deadlines that nothing here reaches.
fn patient() -> Limits {
    Limits { cpu: Duration::from_secs(20), wall: Duration::from_secs(30), ..Limits::default() }
}

async fn misbehaving(limits: Limits) -> Plugin {
    plugin(NATIVE_MISBEHAVE).limits(limits).pool(PoolPolicy::Reuse(Reuse::default())).load(engine()).await.unwrap()
}

/// The failure of a request that asks for trouble. The request after it is served.
pub(crate) async fn failure(plugin: &Plugin, what: &str) -> (Failure, u16) {
    let mut exchange = open([plugin.clone()]);
    let answer = answered(exchange.on_request(request(&[("x-do", what)])).await);
    let failure = exchange.failures().first().unwrap().clone();
    exchange.finish();
    assert_eq!(status(plugin, &[]).await, 0, "the request after `{what}`");
    (failure, answer.status().as_u16())
}

#[tokio::test]
async fn stops_an_endless_loop() {
    let limits = Limits { cpu: tight().cpu, ..patient() };
    let (failure, status) = failure(&misbehaving(limits).await, "loop").await;
    assert_eq!((failure.class, status), (FailureClass::CpuDeadline, 504));
    assert_eq!(failure.message, "computed longer than 200ms");
}

#[tokio::test]
async fn stops_an_endless_loop_by_its_steps() {
    let (failure, status) = failure(&misbehaving(Limits { fuel: Some(1_000_000), ..patient() }).await, "loop").await;
    assert_eq!((failure.class, status), (FailureClass::CpuDeadline, 504));
    assert_eq!(failure.message, "took more than 1000000 steps, `limits.fuel`");
}

#[tokio::test]
async fn every_call_has_its_steps_anew() {
    let metered = misbehaving(Limits { fuel: Some(20_000), ..patient() }).await;
    for _ in 0..50 {
        assert_eq!(status(&metered, &[]).await, 0);
    }
    assert_eq!(metered.stats().pool_hits, 50);
    let code_of = Plugin::builder("test").code_of(&metered).load(engine()).await.unwrap_err();
    assert_eq!(
        code_of.to_string(),
        "plugin `test` is given another plugin's code, and only one of the two has `limits.fuel`"
    );
}

#[tokio::test]
async fn stops_endless_hostcalls_by_number() {
    let (failure, status) = failure(&misbehaving(Limits { hostcalls: 500, ..patient() }).await, "hostcalls").await;
    assert_eq!((failure.class, status), (FailureClass::Hostcall, 500));
    assert_eq!(failure.message, "made more than 500 hostcalls in one call, `limits.hostcalls`");
}

#[tokio::test]
async fn stops_endless_hostcalls_by_cpu_time() {
    let computes = Limits { hostcalls: u32::MAX, cpu: tight().cpu, ..patient() };
    let (failure, _) = failure(&misbehaving(computes).await, "hostcalls").await;
    assert_eq!(failure.class, FailureClass::CpuDeadline);
}

#[tokio::test]
async fn stops_endless_hostcalls_by_wall_clock() {
    let computes = Limits { hostcalls: u32::MAX, cpu: Duration::from_secs(60), ..tight() };
    let (failure, status) = failure(&misbehaving(computes).await, "hostcalls").await;
    assert_eq!((failure.class, status), (FailureClass::WallDeadline, 504));
    assert_eq!(failure.message, "took longer than 600ms");
}

#[tokio::test]
async fn stops_a_sleeping_hostcall() {
    let (failure, _) = failure(&misbehaving(tight()).await, "sleep").await;
    assert_eq!(failure.class, FailureClass::WallDeadline);
}

#[tokio::test]
async fn stops_many_short_sleeps() {
    let (failure, _) = failure(&misbehaving(tight()).await, "sleep-often").await;
    assert_eq!(failure.class, FailureClass::WallDeadline);
}

#[tokio::test]
async fn does_not_count_waiting_as_computing() {
    let waits = misbehaving(Limits { cpu: Duration::from_millis(200), ..patient() }).await;
    assert_eq!(status(&waits, &[("x-do", "sleep-briefly")]).await, 0);
}

#[tokio::test]
async fn stops_memory_growth() {
    let (failure, _) = failure(&misbehaving(Limits { memory: 8 << 20, ..patient() }).await, "memory").await;
    assert_eq!(failure.class, FailureClass::Memory);
    assert!(failure.message.contains("`limits.memory` is 8388608 bytes"), "{}", failure.message);
}

#[tokio::test]
async fn stops_a_stack_overflow() {
    let (failure, _) = failure(&misbehaving(patient()).await, "stack").await;
    assert_eq!(failure.class, FailureClass::Trap);
    assert!(failure.message.contains("descend"), "{}", failure.message);
}

#[tokio::test]
async fn names_a_panic_with_its_words() {
    let (failure, _) = failure(&misbehaving(patient()).await, "panic").await;
    assert_eq!(failure.class, FailureClass::Trap);
    assert!(failure.message.contains("the plugin gave up"), "{}", failure.message);
}

#[tokio::test]
async fn names_a_trap_with_its_place() {
    let (failure, status) = failure(&misbehaving(patient()).await, "trap").await;
    assert_eq!((failure.class, status), (FailureClass::Trap, 500));
    assert!(
        failure.message.starts_with("wasm trap: wasm `unreachable` instruction executed in "),
        "{}",
        failure.message
    );
    assert!(failure.message.contains("on_request") || failure.message.contains("on-request"), "{}", failure.message);
}

#[tokio::test]
async fn refuses_a_huge_local_response() {
    let (failure, _) = failure(&misbehaving(patient()).await, "response").await;
    assert_eq!(failure.class, FailureClass::GuestError);
    assert_eq!(failure.message, "edit refused: over the plugin's limit on bytes of headers or bodies");
}

#[tokio::test]
async fn refuses_a_huge_handover() {
    let (failure, status) = failure(&misbehaving(patient()).await, "handover").await;
    assert_eq!((failure.class, status), (FailureClass::Hostcall, 500));
    assert!(failure.message.ends_with("(one may hand over `limits.hostcall_bytes`, 4194304 bytes)"), "{failure}");
}

#[tokio::test]
async fn bounds_what_local_responses_hold() {
    let (failure, _) = failure(&misbehaving(patient()).await, "responses").await;
    assert_eq!(failure.message, "edit refused: over the plugin's limit on bytes of headers or bodies");
}

#[tokio::test]
async fn bounds_the_log() {
    for (what, bound) in [("log", 1000), ("print", 1000)] {
        let logged = Logged::default();
        let limits = Limits { log_bytes: bound, ..patient() };
        let plugin = plugin(NATIVE_MISBEHAVE).limits(limits).load(&logged.engine()).await.unwrap();
        assert_eq!(status(&plugin, &[("x-do", what)]).await, 0);
        let bytes: usize = logged.lines().iter().map(|line| line.split_once(": ").unwrap().1.len()).sum();
        assert!(bytes > bound / 2 && bytes <= bound, "{what}: {bytes} bytes");
    }
}

#[tokio::test]
async fn says_which_setting_stops_a_guest_from_starting() {
    let error =
        plugin(NATIVE_MISBEHAVE).limits(Limits { memory: 65536, ..patient() }).load(engine()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("plugin `test` does not start: memory: wants "), "{text}");
    assert!(text.ends_with("bytes of memory, `limits.memory` is 65536 bytes"), "{text}");
}

#[tokio::test]
async fn stops_a_guest_that_never_starts() {
    let limits = Limits { startup: Duration::from_millis(200), ..patient() };
    let endless = plugin(NATIVE_CONFIGURE).config(serde_json::json!({ "status": 0 })).limits(limits);
    assert_eq!(
        endless.load(engine()).await.unwrap_err().to_string(),
        "plugin `test` does not start: wall-deadline: did not start within `limits.startup`, 200ms"
    );
}

/// While one guest computes up to its deadline, others on the same thread are served.
#[tokio::test(flavor = "current_thread")]
async fn a_computing_guest_lets_others_in() {
    let hog = misbehaving(Limits { cpu: Duration::from_millis(400), ..patient() }).await;
    let quick = misbehaving(patient()).await;
    let mut computing = Box::pin(failure(&hog, "loop"));
    let mut served = 0;
    loop {
        tokio::select! {
            biased;
            (failure, _) = &mut computing => {
                assert_eq!(failure.class, FailureClass::CpuDeadline);
                break;
            }
            code = status(&quick, &[]) => {
                assert_eq!(code, 0);
                served += 1;
            }
        }
    }
    assert!(served >= 5, "served {served} requests meanwhile");
}

/// It goes on while nobody polls it and its own thread is held up.
#[tokio::test(flavor = "current_thread")]
async fn a_computing_guest_leaves_its_thread() {
    let hog = misbehaving(Limits { cpu: Duration::from_millis(100), ..patient() }).await;
    let mut exchange = open([hog]);
    let mut computing = Box::pin(exchange.on_request(request(&[("x-do", "loop")])));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut computing).await.is_err());
    std::thread::sleep(Duration::from_secs(3));
    let polled = poll_fn(|cx| Poll::Ready(computing.as_mut().poll(cx))).await;
    let Poll::Ready(outcome) = polled else { panic!("it has not computed meanwhile") };
    assert_eq!(answered(outcome).status(), 504);
    drop(computing);
    assert_eq!(exchange.failures().first().unwrap().class, FailureClass::CpuDeadline);
}

/// The first tick of its first call is all that it ever takes from the thread it is called on.
#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_computed_does_not_begin_on_its_thread() {
    let tick = Duration::from_millis(400);
    let engine = PluginEngine::builder().tick(tick).build().unwrap();
    let limits = Limits { cpu: 2 * tick, ..patient() };
    let hog = plugin(NATIVE_MISBEHAVE).limits(limits).load(&engine).await.unwrap();
    for holds_its_thread in [true, false, false] {
        let mut exchange = open([hog.clone()]);
        let mut computing = Box::pin(exchange.on_request(request(&[("x-do", "loop")])));
        let begun = Instant::now();
        let polled = poll_fn(|cx| Poll::Ready(computing.as_mut().poll(cx))).await;
        let held = begun.elapsed();
        assert!(polled.is_pending());
        assert_eq!(held > tick * 4 / 5, holds_its_thread, "it held its thread for {held:?}");
        assert_eq!(answered(computing.await).status(), 504);
    }
    // A call that does not compute is made there once more. The next one is made here, so that one poll ends it.
    assert_eq!(status(&hog, &[]).await, 0);
    let mut exchange = open([hog]);
    let mut quick = Box::pin(exchange.on_request(request(&[])));
    assert!(poll_fn(|cx| Poll::Ready(quick.as_mut().poll(cx))).await.is_ready());
}

#[tokio::test]
async fn memory_does_not_creep_over_ten_thousand_failures() {
    if !is_alone("limits::memory_does_not_creep_over_ten_thousand_failures") {
        return;
    }
    let tight = Limits {
        cpu: Duration::from_millis(20),
        wall: Duration::from_millis(40),
        memory: 4 << 20,
        hostcalls: 50,
        log_bytes: 100,
        ..Limits::default()
    };
    let plugin = misbehaving(tight).await;
    let quick = ["trap", "panic", "hostcalls", "memory", "handover", "error", "stack", "log", "responses"];
    let round = async |requests: usize| {
        for number in 0..requests {
            let mut exchange = open([plugin.clone()]);
            let what = match number % 100 {
                0 => "loop",
                50 => "sleep",
                _ => quick[number % quick.len()],
            };
            drop(exchange.on_request(request(&[("x-do", what)])).await);
            exchange.finish();
        }
    };
    round(1000).await;
    let before = resident_bytes();
    round(9000).await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "grew by {grown} bytes");
    passed(open([plugin.clone()]).on_request(request(&[])).await);
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
