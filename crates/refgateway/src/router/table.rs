//! The routes of one host.

use std::collections::HashMap;

use http::Method;
use regex::Regex;

use super::{Question, rule::Rule};

/// Every way a path can be matched, each with its rules in the order they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) exact: HashMap<String, Vec<Rule>>,
    prefixes: HashMap<String, Vec<Rule>>,
    /// Bytes of the longest of them.
    longest_prefix: usize,
    pub(super) patterns: matchit::Router<Pattern>,
    pub(super) regexes: Vec<(Regex, Rule)>,
}

/// The rules of one pattern, and its length as written.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) length: usize,
    pub(super) rules: Vec<Rule>,
}

impl Table {
    pub(super) fn add_prefix(&mut self, prefix: &str, rule: Rule) {
        self.longest_prefix = self.longest_prefix.max(prefix.len());
        self.prefixes.entry(prefix.to_owned()).or_default().push(rule);
    }

    pub(super) fn find(&self, question: Question<'_>, allowed: &mut Vec<Method>) -> Option<usize> {
        let mut pick = |rules: &[Rule]| rules.iter().find(|rule| rule.fits(question, allowed)).map(|rule| rule.route);
        if let Some(route) = self.exact.get(question.path).and_then(|rules| pick(rules)) {
            return Some(route);
        }
        let mut pattern = self.patterns.at(question.path).ok().map(|found| found.value);
        if !self.prefixes.is_empty() {
            for prefix in prefixes(question.path).skip_while(|prefix| prefix.len() > self.longest_prefix) {
                let Some(rules) = self.prefixes.get(prefix) else { continue };
                if let Some(longer) = pattern.take_if(|pattern| pattern.length >= prefix.len())
                    && let Some(route) = pick(&longer.rules)
                {
                    return Some(route);
                }
                if let Some(route) = pick(rules) {
                    return Some(route);
                }
            }
        }
        if let Some(route) = pattern.and_then(|pattern| pick(&pattern.rules)) {
            return Some(route);
        }
        self.regexes
            .iter()
            .filter(|(regex, _)| regex.is_match(question.path))
            .find_map(|(_, rule)| pick(std::slice::from_ref(rule)))
    }
}

/// The path itself, then each directory above it, down to the empty prefix.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let last_slash = |text: &str| text.bytes().rposition(|byte| byte == b'/');
    std::iter::successors(Some(path), move |prefix| last_slash(prefix).and_then(|slash| prefix.get(..slash)))
}
