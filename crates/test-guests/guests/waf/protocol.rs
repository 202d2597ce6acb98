//! What HTTP does not allow, or only scanners do.

use crate::{Match, Request, Severity};

const SCANNERS: [&str; 16] = [
    "sqlmap",
    "nikto",
    "nessus",
    "nmap",
    "masscan",
    "dirbuster",
    "gobuster",
    "wpscan",
    "acunetix",
    "zgrab",
    "havij",
    "w3af",
    "netsparker",
    "openvas",
    "nuclei",
    "feroxbuster",
];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const RANGES: usize = 5;

pub fn check(request: &Request) -> Vec<Match> {
    let user_agent = request.header("user-agent").unwrap_or_default().to_lowercase();
    let mut matches = Vec::new();
    let mut protocol = |rule_id, description, severity, location: &str, value: &str| {
        let category = "protocol";
        let (matched_value, location) = (value.to_owned(), location.to_owned());
        matches.push(Match { rule_id, description, severity, category, matched_value, location });
    };
    if !METHODS.contains(&request.method.as_str()) {
        protocol(920_100, "a method that is not in use", Severity::Critical, "method", &request.method);
    }
    if request.all("host").count() != 1 {
        protocol(920_110, "not one host", Severity::Critical, "header host", "");
    }
    if let Some(host) = request.header("host").filter(|host| host.is_empty() || host.contains(['/', ' ', '@'])) {
        protocol(920_120, "a host that is none", Severity::Critical, "header host", host);
    }
    if request.header("content-length").is_some() && request.header("transfer-encoding").is_some() {
        protocol(920_130, "two lengths", Severity::Critical, "header content-length", "");
    }
    if matches!(request.method.as_str(), "GET" | "HEAD") && !request.body.is_empty() {
        protocol(920_140, "a body where none is", Severity::Critical, "body", "");
    }
    if let Some(range) = request.header("range").filter(|range| range.split(',').count() > RANGES) {
        protocol(920_150, "many ranges", Severity::Critical, "header range", range);
    }
    let uri = request.uri.to_lowercase();
    if ["%0d%0a", "%0a%0d", "%250d%250a"].iter().any(|line_break| uri.contains(line_break)) {
        protocol(920_160, "a line break in the target", Severity::Critical, "uri", &request.uri);
    }
    if user_agent.is_empty() {
        protocol(920_170, "no user agent", Severity::Notice, "header user-agent", "");
    }
    if let Some(scanner) = SCANNERS.iter().find(|scanner| user_agent.contains(*scanner)) {
        matches.push(Match {
            rule_id: 913_100,
            description: "a scanner",
            severity: Severity::Critical,
            category: "scanner",
            matched_value: (*scanner).to_owned(),
            location: "header user-agent".to_owned(),
        });
    }
    matches
}
