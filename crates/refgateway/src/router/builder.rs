//! Builds a [`Router`] out of the config's matches.

use std::collections::HashMap;

use regex::Regex;

use super::{
    Router,
    rule::Rule,
    table::{Pattern, Table},
};
use crate::config::Match;

/// A router being filled.
#[derive(Debug, Default)]
pub struct RouterBuilder {
    router: Router,
    patterns: HashMap<(String, String), Pattern>,
    probes: HashMap<String, matchit::Router<()>>,
}

impl RouterBuilder {
    /// Adds a route. The error names the key of `match` that is at fault, and why.
    pub fn add(&mut self, matches: &Match, route: usize) -> Result<(), (&'static str, String)> {
        let rule = Rule::new(matches, route)?;
        let host = matches.host.as_deref().unwrap_or_default().to_ascii_lowercase();
        if let Some(pattern) = &matches.path_pattern {
            return self.add_pattern(host, pattern, rule);
        }
        let table = table(&mut self.router, &host);
        if let Some(path) = &matches.path {
            table.exact.entry(path.clone()).or_default().push(rule);
        } else if let Some(regex) = &matches.path_regex {
            let regex = Regex::new(&format!("^(?:{regex})$"))
                .map_err(|error| ("path_regex", format!("not a regular expression: {}", reason(&error))))?;
            table.regexes.push((regex, rule));
        } else {
            let prefix = matches.path_prefix.as_deref().unwrap_or_default();
            table.add_prefix(prefix.strip_suffix('/').unwrap_or(prefix), rule);
        }
        Ok(())
    }

    /// The finished router.
    pub fn build(mut self) -> Router {
        for ((host, pattern), rules) in self.patterns {
            // Conflicts were found when the pattern was added.
            let _ = table(&mut self.router, &host).patterns.insert(pattern, rules);
        }
        self.router
    }

    fn add_pattern(&mut self, host: String, pattern: &str, rule: Rule) -> Result<(), (&'static str, String)> {
        let key = (host, pattern.to_owned());
        if let Some(known) = self.patterns.get_mut(&key) {
            known.rules.push(rule);
            return Ok(());
        }
        let probe = self.probes.entry(key.0.clone()).or_default();
        probe.insert(pattern, ()).map_err(|error| ("path_pattern", error.to_string().to_lowercase()))?;
        self.patterns.insert(key, Pattern { length: pattern.len(), rules: vec![rule] });
        Ok(())
    }
}

fn table<'r>(router: &'r mut Router, host: &str) -> &'r mut Table {
    match host.strip_prefix("*.") {
        Some(suffix) => router.suffix_hosts.entry(suffix.to_owned()).or_default(),
        None if host.is_empty() => &mut router.any_host,
        None => router.exact_hosts.entry(host.to_owned()).or_default(),
    }
}

/// The last line of a regex error is the reason, the others draw the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
