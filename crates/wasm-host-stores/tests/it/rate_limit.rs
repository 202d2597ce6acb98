//! The same for rate limits in memory and in Redis.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use test_servers::RedisServer;
use tokio::task::JoinSet;
use wasm_host::{MemoryRateLimiter, RateDecision, RateLimitId, RateLimiter, RateRule, SlidingWindow, TokenBucket};
use wasm_host_stores::{Redis, RedisRateLimiter};

const DAY: Duration = Duration::from_secs(86_400);
/// How much later than it says a window of whole milliseconds may be measured.
const TICK: Duration = Duration::from_millis(1);

/// Limiters that count together, as many as gateways would have.
type Limiters = Vec<Arc<dyn RateLimiter>>;

fn in_memory() -> Limiters {
    vec![Arc::new(MemoryRateLimiter::default())]
}

fn in_redis(server: &RedisServer) -> Limiters {
    let connect = || Redis::new(&server.url(), "test:").unwrap();
    (0..3).map(|_| Arc::new(RedisRateLimiter::new(connect())) as Arc<dyn RateLimiter>).collect()
}

macro_rules! on_each_backend {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(super::in_memory()).await;
                }
            )*
        }

        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    let server = test_servers::RedisServer::start();
                    super::$test(super::in_redis(&server)).await;
                }
            )*
        }
    };
}

on_each_backend![
    admits_exactly_the_limit_whoever_asks_at_once,
    admits_a_cost_as_a_whole_or_not_at_all,
    tells_limits_apart,
    no_window_admits_more_than_the_limit,
    no_stretch_of_time_gets_more_tokens_than_came_back,
    says_truly_when_to_come_back,
];

async fn admits_exactly_the_limit_whoever_asks_at_once(limiters: Limiters) {
    for rule in [window(100, DAY), bucket(100, 1, DAY / 4)] {
        let mut asking = JoinSet::new();
        for number in 0..60 {
            let limiter = Arc::clone(&limiters[number % limiters.len()]);
            asking.spawn(async move {
                let mut admitted = 0;
                for _ in 0..10 {
                    admitted += u32::from(check(&*limiter, "k", rule, 1).await.allowed);
                }
                admitted
            });
        }
        assert_eq!(asking.join_all().await.into_iter().sum::<u32>(), 100, "{rule:?}");
    }
}

async fn admits_a_cost_as_a_whole_or_not_at_all(limiters: Limiters) {
    for rule in [window(5, DAY), bucket(5, 1, DAY)] {
        let ask = async |cost| {
            let decision = check(&*limiters[0], "k", rule, cost).await;
            (decision.allowed, decision.remaining)
        };
        assert_eq!(ask(3).await, (true, 2), "{rule:?}");
        assert_eq!(ask(3).await, (false, 2), "{rule:?}");
        assert_eq!(ask(5).await, (false, 2), "{rule:?}");
        assert_eq!(ask(2).await, (true, 0), "{rule:?}");
        assert_eq!(ask(1).await, (false, 0), "{rule:?}");
    }
}

async fn tells_limits_apart(limiters: Limiters) {
    let limiter = &*limiters[0];
    let longest = "k".repeat(512);
    let odd = ["k", "k ", "K", "k\0", "\0", "/../k", "{k}", "k:1", "\u{202e}", &*longest];
    for rule in [window(1, DAY), window(2, DAY), window(1, DAY / 2), bucket(1, 1, DAY), bucket(1, 2, DAY)] {
        for key in odd {
            let decision = check(limiter, key, rule, 1).await;
            assert_eq!((decision.allowed, decision.remaining), (true, rule.limit() - 1), "{rule:?} {key:?}");
        }
    }
    for space in ["plugin:other", "shared:p", "plugin:p:window", ""] {
        let limit = RateLimitId { space, key: "k" };
        let decision = limiter.check(limit, window(1, DAY), NonZeroU32::MIN).await.unwrap();
        assert!(decision.allowed, "{space}");
    }
}

async fn no_window_admits_more_than_the_limit(limiters: Limiters) {
    const LIMIT: usize = 4;
    let length = Duration::from_millis(120);
    let admitted = admissions(&limiters, window(LIMIT as u32, length), 5 * LIMIT).await;
    for (first, next) in admitted.iter().zip(&admitted[LIMIT..]) {
        assert!(next.1 - first.0 + TICK >= length, "{:?} between the first and the fifth", next.1 - first.0);
    }
}

async fn no_stretch_of_time_gets_more_tokens_than_came_back(limiters: Limiters) {
    const CAPACITY: usize = 4;
    let interval = Duration::from_millis(20);
    let rule = bucket(CAPACITY as u32, 5, 5 * interval);
    let admitted = admissions(&limiters, rule, 5 * CAPACITY).await;
    for (index, first) in admitted.iter().enumerate() {
        for (number, next) in admitted[index..].iter().enumerate() {
            let came_back = (next.1 - first.0).as_nanos() / interval.as_nanos();
            assert!(number < CAPACITY + came_back as usize, "{} in {:?}", number + 1, next.1 - first.0);
        }
    }
}

async fn says_truly_when_to_come_back(limiters: Limiters) {
    let length = Duration::from_millis(100);
    for (rule, cost, again) in [(window(3, length), 3, 2), (bucket(3, 3, length), 3, 2)] {
        let limiter = &*limiters[0];
        let first = check(limiter, "k", rule, cost).await;
        assert_eq!((first.allowed, first.retry_after), (true, Duration::ZERO));
        assert!(first.reset > Duration::ZERO && first.reset <= length + TICK, "{first:?}");
        let asked = Instant::now();
        let refused = check(limiter, "k", rule, again).await;
        assert!(!refused.allowed && refused.retry_after > Duration::ZERO, "{refused:?}");
        tokio::time::sleep(refused.retry_after).await;
        assert!(check(limiter, "k", rule, again).await.allowed, "{rule:?} after {:?}", refused.retry_after);
        // Neither earlier, nor much later: what comes back by then is not more than the rule says.
        let early = check(limiter, "early", rule, cost).await;
        assert!(early.allowed);
        let mut refusals = 0;
        let refused = check(limiter, "early", rule, again).await;
        while !check(limiter, "early", rule, again).await.allowed {
            refusals += 1;
        }
        assert!(asked.elapsed() + TICK >= refused.retry_after, "after {refusals} refusals");
    }
}

/// When so many checks of one key were admitted: before and after each.
async fn admissions(limiters: &[Arc<dyn RateLimiter>], rule: RateRule, times: usize) -> Vec<(Instant, Instant)> {
    let mut admitted = Vec::new();
    let mut asked = 0;
    while admitted.len() < times {
        let before = Instant::now();
        if check(&*limiters[asked % limiters.len()], "k", rule, 1).await.allowed {
            admitted.push((before, Instant::now()));
        }
        asked += 1;
    }
    admitted
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_leave_redis_when_their_limits_are_whole() {
    let server = RedisServer::start();
    let limiter = RedisRateLimiter::new(Redis::new(&server.url(), "test:").unwrap());
    for number in 0..100 {
        for rule in
            [window(1, 2 * DAY), bucket(2, 1, DAY), window(1, Duration::from_millis(50)), bucket(1, 20, DAY / 86_400)]
        {
            assert!(check(&limiter, &number.to_string(), rule, 1).await.allowed);
        }
    }
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut keys = async || {
        let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        for key in &keys {
            assert!(key.starts_with("test:rate:8:plugin:p:"), "{key}");
            let ttl: i64 = ::redis::cmd("TTL").arg(key).query_async(&mut connection).await.unwrap();
            assert!(ttl == -2 || (0..=2 * 86_400).contains(&ttl), "{key} lives {ttl} s");
        }
        keys.len()
    };
    let give_up = Instant::now() + Duration::from_secs(20);
    while keys().await > 200 {
        assert!(Instant::now() < give_up, "keys of short rules stay");
    }
    assert_eq!(keys().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_unavailable() {
    let mut server = RedisServer::start();
    let limiter = RedisRateLimiter::new(Redis::new(&server.url(), "test:").unwrap());
    let limit = RateLimitId { space: "plugin:p", key: "k" };
    assert!(limiter.check(limit, window(1, DAY), NonZeroU32::MIN).await.unwrap().allowed);
    server.stop();
    let error = limiter.check(limit, window(1, DAY), NonZeroU32::MIN).await.unwrap_err();
    assert!(error.to_string().starts_with("Redis: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_slides_as_well() {
    let server = RedisServer::start();
    for limiter in [&*in_memory()[0], &*in_redis(&server)[0]] {
        let length = Duration::from_millis(500);
        let rule = window(10_000, length);
        let mut admitted = 0;
        let started = Instant::now();
        while started.elapsed() < 3 * length {
            admitted += u32::from(check(limiter, "k", rule, 1).await.allowed);
        }
        assert!(admitted > 0);
        let rest = check(limiter, "k", rule, 10_000).await;
        assert!(!rest.allowed && rest.retry_after <= length, "{rest:?}");
        tokio::time::sleep(rest.retry_after).await;
        assert!(check(limiter, "k", rule, 10_000).await.allowed);
    }
}

async fn check(limiter: &dyn RateLimiter, key: &str, rule: RateRule, cost: u32) -> RateDecision {
    let limit = RateLimitId { space: "plugin:p", key };
    limiter.check(limit, rule, NonZeroU32::new(cost).unwrap()).await.unwrap()
}

fn window(limit: u32, length: Duration) -> RateRule {
    RateRule::SlidingWindow(SlidingWindow::new(limit, length).unwrap())
}

fn bucket(capacity: u32, refill: u32, period: Duration) -> RateRule {
    RateRule::TokenBucket(TokenBucket::new(capacity, refill, period).unwrap())
}
