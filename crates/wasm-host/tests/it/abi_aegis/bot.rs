//! What becomes of the verdicts of bot detectors.

use serde_json::json;
use test_guests as guest;
use wasm_host::{FailureClass, PoolPolicy, Reuse};

use super::{assemble, of, with_options};
use crate::common::{Logged, answered, ask, engine, open, passed, plugin, request};

const GOOGLE: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

#[tokio::test]
async fn a_verdict_passes_unless_more_is_asked_for() {
    let plugin = plugin(guest::AEGIS_BOT).load(engine()).await.unwrap();
    for user_agent in [GOOGLE, FIREFOX, "curl/8.5.0", ""] {
        let sent = passed(ask(&plugin, &[("user-agent", user_agent)]).await);
        assert!(!sent.headers().contains_key("x-bot-verdict"), "{user_agent}");
    }
}

#[tokio::test]
async fn a_header_tells_the_verdict_and_a_client_cannot_lie() {
    let options = json!({ "on_known": "header", "on_suspicious": "header", "header": "x-bot" });
    let plugin = with_options(guest::AEGIS_BOT, options).await;
    for (user_agent, verdict) in
        [(GOOGLE, Some("known-bot")), ("curl/8.5.0", Some("suspicious")), ("", Some("suspicious")), (FIREFOX, None)]
    {
        let sent = passed(ask(&plugin, &[("user-agent", user_agent), ("x-bot", "human")]).await);
        assert_eq!(sent.headers().get("x-bot").map(|value| value.to_str().unwrap()), verdict, "{user_agent}");
    }
    // No header at all is like an empty one.
    assert_eq!(passed(ask(&plugin, &[]).await).headers()["x-bot"], "suspicious");
}

#[tokio::test]
async fn each_verdict_has_its_own_consequence() {
    let plugin = with_options(guest::AEGIS_BOT, json!({ "on_suspicious": "block" })).await;
    passed(ask(&plugin, &[("user-agent", GOOGLE)]).await);
    assert_eq!(answered(ask(&plugin, &[("user-agent", "python-requests/2.32")]).await).status(), 403);
}

#[tokio::test]
async fn a_verdict_is_a_property() {
    let bot = plugin(guest::AEGIS_BOT).provides(["aegis.bot"]).load(engine()).await.unwrap();
    let share = json!({ "name": "!", "property": "aegis.bot" });
    let share = wasm_host::Plugin::builder("share").file(guest::NATIVE_SHARE).config(share).requires(["aegis.bot"]);
    let share = share.priority(1).load(engine()).await.unwrap();
    for (user_agent, verdict) in [(GOOGLE, "known-bot!"), (FIREFOX, "human!"), ("", "suspicious!")] {
        let sent = passed(open([share.clone(), bot.clone()]).on_request(request(&[("user-agent", user_agent)])).await);
        assert_eq!(sent.headers()["x-trail"], verdict);
    }
}

#[tokio::test]
async fn a_verdict_that_is_none_is_the_detector_s_fault() {
    let plugin = plugin(guest::AEGIS_BOT).load(engine()).await.unwrap();
    let mut exchange = open([plugin]);
    assert_eq!(answered(exchange.on_request(request(&[("user-agent", "broken")])).await).status(), 500);
    let failure = exchange.failures().remove(0);
    assert_eq!(failure.class, FailureClass::InvalidOutput);
    assert_eq!(failure.message, "`detect_bot` returned 7, and verdicts are 0 human, 1 known bot, 2 suspicious");
}

#[tokio::test]
async fn memory_outside_of_the_guest_s_is_its_fault() {
    let guest = assemble(
        r#"(module (memory (export "memory") 1)
             (func (export "alloc") (param i32) (result i32) (i32.const 65536))
             (func (export "dealloc") (param i32 i32))
             (func (export "detect_bot") (param i32 i32) (result i32) (i32.const 0)))"#,
    );
    let mut exchange = open([of(&guest).load(engine()).await.unwrap()]);
    exchange.on_request(request(&[("user-agent", "a")])).await;
    let failure = exchange.failures().remove(0);
    assert_eq!(failure.class, FailureClass::InvalidOutput);
    assert!(failure.message.starts_with("allocated what it does not have: 1 bytes at 65536"), "{failure}");
}

#[tokio::test]
async fn the_version_of_the_rules_is_logged_and_nothing_leaks() {
    let logged = Logged::default();
    let bot = plugin(guest::AEGIS_BOT).pool(PoolPolicy::Reuse(Reuse::default()));
    let bot = bot.load(&logged.engine()).await.unwrap();
    assert_eq!(logged.lines(), ["test  Info host: bot detector of version 3"]);
    let before = bot.stats().idle_memory;
    let long = "a".repeat(4000);
    for _ in 0..500 {
        passed(ask(&bot, &[("user-agent", &long)]).await);
    }
    assert_eq!((bot.stats().idle_memory, bot.stats().pool_misses), (before, 0));
}
