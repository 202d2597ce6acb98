//! A WAF: SQL injection, cross-site scripting, path traversal, scanners, and what HTTP does not allow.

mod decode;
mod protocol;
mod scripts;
mod sql;
mod traversal;

use serde::{Deserialize, Serialize};

use decode::Texts;

aegis_guests::allocator!();

/// A request as the host tells it.
#[derive(Deserialize)]
struct Request {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

#[derive(Serialize)]
struct Verdict {
    blocked: bool,
    matches: Vec<Match>,
    execution_time_us: u64,
}

#[derive(Serialize)]
struct Match {
    rule_id: u32,
    description: &'static str,
    severity: Severity,
    category: &'static str,
    matched_value: String,
    location: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Critical,
    Notice,
}

/// A rule about one text of a request.
struct Rule {
    id: u32,
    category: &'static str,
    description: &'static str,
    matches: fn(&str) -> bool,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn analyze_request(at: *const u8, len: usize) -> *mut u8 {
    let json = unsafe { std::slice::from_raw_parts(at, len) };
    let verdict = match serde_json::from_slice::<Request>(json) {
        Ok(request) => analyze(&request),
        Err(_) => Verdict { blocked: true, matches: Vec::new(), execution_time_us: 0 },
    };
    hand_over(&serde_json::to_vec(&verdict).unwrap_or_default())
}

/// The length in four bytes, and then the bytes.
fn hand_over(bytes: &[u8]) -> *mut u8 {
    let whole = [&(bytes.len() as u32).to_le_bytes(), bytes].concat();
    let to = aegis_guests::allocate(whole.len());
    unsafe { std::ptr::copy_nonoverlapping(whole.as_ptr(), to, whole.len()) };
    to
}

fn analyze(request: &Request) -> Verdict {
    let mut matches = protocol::check(request);
    for (location, text) in Texts::of(request).0 {
        let rules = sql::RULES.iter().chain(&scripts::RULES).chain(&traversal::RULES);
        for rule in rules.filter(|rule| (rule.matches)(&text)) {
            matches.push(Match {
                rule_id: rule.id,
                description: rule.description,
                severity: Severity::Critical,
                category: rule.category,
                matched_value: text.chars().take(100).collect(),
                location: location.clone(),
            });
        }
    }
    let blocked = matches.iter().any(|found| found.severity == Severity::Critical);
    Verdict { blocked, matches, execution_time_us: 0 }
}
