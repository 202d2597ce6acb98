//! Tells people, bots that say who they are, and tools that rather do not.

aegis_guests::allocator!();

const HUMAN: i32 = 0;
const KNOWN: i32 = 1;
const SUSPICIOUS: i32 = 2;

const KNOWN_BOTS: [&str; 8] =
    ["googlebot", "bingbot", "duckduckbot", "applebot", "yandexbot", "baiduspider", "facebookexternalhit", "slackbot"];
const TOOLS: [&str; 9] = [
    "headless",
    "phantomjs",
    "selenium",
    "scrapy",
    "python-requests",
    "go-http-client",
    "libwww-perl",
    "curl/",
    "wget/",
];

#[unsafe(no_mangle)]
unsafe extern "C" fn detect_bot(at: *const u8, len: usize) -> i32 {
    let user_agent = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(at, len) }).to_lowercase();
    let says = |names: &[&str]| names.iter().any(|name| user_agent.contains(name));
    match user_agent.as_str() {
        // What a test asks for: a verdict that is none.
        "broken" => 7,
        _ if says(&KNOWN_BOTS) => KNOWN,
        _ if user_agent.trim().is_empty() || says(&TOOLS) => SUSPICIOUS,
        _ => HUMAN,
    }
}

#[unsafe(no_mangle)]
extern "C" fn get_version() -> i32 {
    3
}
