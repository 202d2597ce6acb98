//! A WAF in Rust against what attackers send, and against what others send.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use http::{HeaderValue, Request};
use parking_lot::Mutex;
use test_guests::AEGIS_WAF;
use wasm_host::{
    Body, BodyMode, Error, Framing, LogRecord, LogSink, Plugin, PluginBuilder, PluginEngine, PoolPolicy,
    RequestOutcome, Reuse,
};

use crate::common::{open, plugin};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Attacks on a path with a query, by category.
const TARGETS: [(&str, &str); 42] = [
    ("sqli", "/?id=1%27%20OR%20%271%27=%271"),
    ("sqli", "/?id=1+or+1=1"),
    ("sqli", "/?id=1)+or+(1=1"),
    ("sqli", "/?user=admin%27--"),
    ("sqli", "/?user=admin'+%23"),
    ("sqli", "/?id=1+UNION+SELECT+name,pass+FROM+users"),
    ("sqli", "/?id=1+uNiOn+aLl+sElEcT+1,2"),
    ("sqli", "/?id=1/**/union/**/select/**/1"),
    ("sqli", "/?id=1+/*!50000union*/+/*!50000select*/+1"),
    ("sqli", "/?id=1;+DROP+TABLE+users"),
    ("sqli", "/?id=1;insert+into+users+values(1)"),
    ("sqli", "/?id=1';+exec+xp_cmdshell('dir')"),
    ("sqli", "/?id=1+and+sleep(5)"),
    ("sqli", "/?id=1;waitfor+delay+'0:0:5'"),
    ("sqli", "/?id=benchmark(1000000,md5(1))"),
    ("sqli", "/?id=1+and+extractvalue(1,concat(0x7e,version()))"),
    ("sqli", "/?q=1%2527+or+%25271%2527=%25271"),
    ("sqli", "/?id=1'+and+ascii(substring(password,1,1))>64"),
    ("sqli", "/?id=1'+having+1=1"),
    ("sqli", "/?q=x'+or+''='"),
    ("sqli", "/?t=select+table_name+from+information_schema.tables"),
    ("xss", "/?q=%3Cscript%3Ealert(1)%3C/script%3E"),
    ("xss", "/?q=%253Cscript%253Ealert(1)"),
    ("xss", "/?q=<ScRiPt+src=//evil.test/x.js>"),
    ("xss", "/?q=<img+src=x+onerror=alert(1)>"),
    ("xss", "/?q=<svg/onload=alert(1)>"),
    ("xss", "/?q=%22+onmouseover=%22alert(1)"),
    ("xss", "/?u=javascript:alert(1)"),
    ("xss", "/?u=java%09script:alert(1)"),
    ("xss", "/?q=%26lt;script%26gt;alert(1)"),
    ("xss", "/?q=<iframe+src=//evil.test>"),
    ("xss", "/?q=%27;alert(1)//"),
    ("xss", "/?q=x%22-confirm(1)-%22"),
    ("traversal", "/files/../../etc/passwd"),
    ("traversal", "/?file=../../../../etc/hosts"),
    ("traversal", "/?file=..%2f..%2fconfig.yaml"),
    ("traversal", "/?file=..%252f..%252fconfig.yaml"),
    ("traversal", "/?file=%2e%2e%5c%2e%2e%5cwindows%5cwin.ini"),
    ("traversal", "/?file=%c0%ae%c0%ae/secret"),
    ("traversal", "/.git/config"),
    ("traversal", "/?page=php://filter/convert.base64-encode/resource=index"),
    ("protocol", "/?next=%0d%0aSet-Cookie:+a=b"),
];

/// Attacks in a body, by category.
const BODIES: [(&str, &str, &str); 6] = [
    ("sqli", FORM, "user=admin&password=x%27+OR+%271%27%3D%271"),
    ("sqli", JSON, r#"{"user":"admin' -- ","deep":{"list":["a"]}}"#),
    ("sqli", JSON, r#"{"deep":{"list":["fine","1 UNION SELECT 2,3"]}}"#),
    ("xss", JSON, r#"{"comment":"\u003cscript\u003ealert(1)\u003c/script\u003e"}"#),
    ("xss", "text/plain", "hello <body onload=fetch('//evil.test')>"),
    ("traversal", FORM, "template=..%2F..%2F..%2Fetc%2Fshadow"),
];

/// Attacks in a header, by category.
const HEADERS: [(&str, &str, &str); 9] = [
    ("scanner", "user-agent", "sqlmap/1.8#stable (https://sqlmap.org)"),
    ("scanner", "user-agent", "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None)"),
    ("scanner", "user-agent", "Mozilla/5.0 zgrab/0.x"),
    ("scanner", "user-agent", "gobuster/3.6"),
    ("scanner", "user-agent", "Nuclei - Open-source project"),
    ("sqli", "cookie", "session=1' or 'a'='a"),
    ("xss", "referer", "https://example.test/?<script>alert(1)</script>"),
    ("protocol", "host", "exa mple.test"),
    ("protocol", "range", "bytes=0-1,2-3,4-5,6-7,8-9,10-11"),
];

/// What is no attack, though it may look a little like one.
const FINE: [&str; 24] = [
    "/",
    "/index.html",
    "/search?q=rock+%27n%27+roll",
    "/search?q=O%27Reilly+books",
    "/search?q=credit+union+selection",
    "/search?q=select+a+plan",
    "/search?q=black+or+white",
    "/search?q=1+or+2+items",
    "/search?q=drop+table+lamp",
    "/search?q=where+to+eat+and+drink",
    "/search?q=a+%3C+b+and+c+%3E+d",
    "/search?q=5+%3E+3",
    "/search?q=how+to+write+javascript",
    "/search?q=50%25+off",
    "/search?q=100%",
    "/search?q=C%2B%2B+%26+C%23",
    "/search?q=don%27t+stop;+won%27t+stop",
    "/users/order-by-name?sort=-created&limit=20",
    "/api/v1/items?filter=price%3E10&fields=id,name",
    "/static/jquery.min.js?v=3.7.1",
    "/docs/a..b/c",
    "/blog/2026/01/what-is-sql-union",
    "/?utm_source=mail&utm_campaign=a--b",
    "/login?next=https%3A%2F%2Fexample.test%2Faccount%3Ftab%3D1",
];

const FINE_BODIES: [(&str, &str); 8] = [
    (JSON, r#"{"name":"Anne-Marie O'Neill","note":"She said \"hello\" -- and left; then it was over."}"#),
    (JSON, r#"{"html":"<p>A <b>bold</b> word and a <a href=\"/x\">link</a></p>"}"#),
    (JSON, r#"{"price":5,"tags":["or","and","select"],"ok":true}"#),
    (FORM, "name=John+Smith&email=john%40example.test&message=It%27s+fine+%26+dandy"),
    (FORM, "q=a%3Db&r=%22quoted%22+text"),
    ("text/plain", "Dear all,\n\nthe script for Monday's show (act 1) is on its way.\n-- \nAnne"),
    ("text/csv", "id,name\n1,O'Brien\n2,Smith\n"),
    ("application/xml", "<order><item id=\"1\">Lamp</item></order>"),
];

/// Keeps the categories of matches.
#[derive(Clone, Debug, Default)]
struct Categories(Arc<Mutex<BTreeSet<String>>>);

impl LogSink for Categories {
    fn log(&self, record: &LogRecord<'_>) {
        let of = |wanted: &str| record.fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        assert_eq!(record.context, "waf", "{record:?}");
        assert!(of("rule_id").unwrap().parse::<u32>().is_ok_and(|id| id > 900_000), "{record:?}");
        self.0.lock().extend(of("category"));
    }
}

/// What the WAF makes of a request: whether it blocks, and the categories that match.
async fn judged(request: http::request::Builder, body: &'static str) -> (bool, Vec<String>) {
    static CATEGORIES: OnceLock<Categories> = OnceLock::new();
    static ENGINE: OnceLock<PluginEngine> = OnceLock::new();
    let categories = CATEGORIES.get_or_init(Categories::default);
    let engine =
        ENGINE.get_or_init(|| PluginEngine::builder().max_instances(16).log_sink(categories.clone()).build().unwrap());
    let waf: Plugin = plugin(AEGIS_WAF).load(engine).await.unwrap();
    categories.0.lock().clear();
    let mut exchange = open([waf]);
    let outcome = exchange.on_request(request.body(Body::from(body)).unwrap()).await;
    assert!(exchange.failures().is_empty(), "{:?}", exchange.failures());
    let is_blocked = match outcome {
        RequestOutcome::Continue(_) => false,
        RequestOutcome::Respond(answer) => answer.status() == 403,
        RequestOutcome::BodyFailed(error) => panic!("{error}"),
    };
    (is_blocked, categories.0.lock().iter().cloned().collect())
}

fn get(target: &str) -> http::request::Builder {
    Request::get(target).header("host", "example.test").header("user-agent", FIREFOX)
}

fn post(content_type: &str) -> http::request::Builder {
    let request = Request::post("/submit").header("host", "example.test").header("user-agent", FIREFOX);
    request.header("content-type", content_type)
}

/// One test, so that matches of one request are not taken for those of another.
#[tokio::test]
async fn attacks_are_blocked_and_nothing_else_is() {
    let mut wrong = Vec::new();
    let mut attack = |what: &str, category: &str, (blocked, categories): (bool, Vec<String>)| {
        if !blocked || !categories.iter().any(|found| found == category) {
            wrong.push(format!("not blocked as {category}: {what} {categories:?}"));
        }
    };
    for (category, target) in TARGETS {
        attack(target, category, judged(get(&uri(target)), "").await);
    }
    for (category, content_type, body) in BODIES {
        attack(body, category, judged(post(content_type), body).await);
    }
    for (category, name, value) in HEADERS {
        let mut request = get("/");
        request.headers_mut().unwrap().insert(name, HeaderValue::from_static(value));
        attack(value, category, judged(request, "").await);
    }
    attack("TRACE", "protocol", judged(get("/").method("TRACE"), "").await);
    attack("two hosts", "protocol", judged(get("/").header("host", "other.test"), "").await);
    attack("a body", "protocol", judged(get("/"), "body").await);
    let two = post(FORM).header("content-length", "3").header("transfer-encoding", "chunked");
    attack("two lengths", "protocol", judged(two, "a=b").await);

    let mut fine = |what: &str, (blocked, categories): (bool, Vec<String>)| {
        if blocked || !categories.is_empty() {
            wrong.push(format!("blocked: {what} {categories:?}"));
        }
    };
    for target in FINE {
        fine(target, judged(get(target), "").await);
    }
    for (content_type, body) in FINE_BODIES {
        fine(body, judged(post(content_type), body).await);
    }
    let browser = get("/").header("referer", "https://example.test/a?b=c").header("cookie", "id=abc123; theme=dark");
    fine("a browser", judged(browser.header("accept", "text/html, */*;q=0.8"), "").await);
    // Worth a note, and no more.
    let (blocked, categories) = judged(Request::get("/").header("host", "example.test"), "").await;
    assert_eq!((blocked, categories), (false, vec!["protocol".to_owned()]));
    assert!(wrong.is_empty(), "{:#?}", wrong);
}

/// A target as a client that checks nothing sends it: what HTTP cannot carry is encoded.
fn uri(target: &str) -> String {
    target.replace('<', "%3C").replace('>', "%3E").replace('\'', "%27").replace('|', "%7C")
}

#[tokio::test]
async fn a_compressed_attack_does_not_get_past() {
    use std::io::Write as _;

    let packed = |body: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(body.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    // An operator who only says how much is held decodes all the same. What is not decoded looks like an attack itself.
    for reading in [None, Some(BodyMode::Buffer(1000))] {
        let waf = reading.into_iter().fold(plugin(AEGIS_WAF), PluginBuilder::request_body);
        let waf = waf.load(crate::common::engine()).await.unwrap();
        for (body, is_blocked) in [("user=x%27+OR+%271%27%3D%271", true), ("user=x&city=y", false)] {
            let request = post(FORM).header("content-encoding", "gzip").body(Body::from(packed(body))).unwrap();
            let outcome = open([waf.clone()]).on_request(request).await;
            assert_eq!(matches!(outcome, RequestOutcome::Respond(_)), is_blocked, "{reading:?} {body} {outcome:?}");
        }
    }
}

#[tokio::test]
async fn no_body_mode_takes_the_requests_from_a_firewall() {
    for mode in [BodyMode::None, BodyMode::Trailers, BodyMode::Peek(10), BodyMode::Stream(Framing::Chunks)] {
        let error = plugin(AEGIS_WAF).request_body(mode).load(crate::common::engine()).await.unwrap_err();
        assert!(matches!(error, Error::WholeMessages { .. }), "{mode}: {error}");
    }
}

#[tokio::test]
async fn hundreds_of_requests_leave_no_memory_behind() {
    let waf = plugin(AEGIS_WAF).pool(PoolPolicy::Reuse(Reuse::default()));
    let waf = waf.load(crate::common::engine()).await.unwrap();
    let body: &str = "a=1&".repeat(5_000).leak();
    let ask = async || {
        let mut exchange = open([waf.clone()]);
        let outcome = exchange.on_request(post(FORM).body(Body::from(body)).unwrap()).await;
        assert!(matches!(outcome, RequestOutcome::Continue(_)), "{:?}", exchange.failures());
        exchange.finish();
    };
    ask().await;
    ask().await;
    let before = waf.stats().idle_memory;
    for _ in 0..200 {
        ask().await;
    }
    assert_eq!((waf.stats().idle_memory, waf.stats().pool_misses), (before, 0));
}
