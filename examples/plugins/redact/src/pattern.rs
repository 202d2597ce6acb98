use std::ops::Range;

use serde::Deserialize;

/// What a secret in a text looks like.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pattern {
    /// A word that starts with this, and goes on with letters, digits, `-` or `_`.
    Prefix(Prefix),
    /// An address of electronic mail: a word, an at sign, a name with a dot.
    Email,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Prefix(String);

impl TryFrom<String> for Prefix {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() { Err("a `prefix` is empty") } else { Ok(Self(text)) }
    }
}

/// The text with the mask in the place of all that fits one of the patterns; none when nothing does.
pub(crate) fn mask(text: &str, patterns: &[Pattern], mask: &str) -> Option<String> {
    let mut found: Vec<_> = patterns.iter().flat_map(|pattern| pattern.find_all(text)).collect();
    if found.is_empty() {
        return None;
    }
    found.sort_by_key(|range| (range.start, range.end));
    let mut masked = String::new();
    let mut done = 0;
    for Range { start, end } in found {
        // What overlaps is one secret.
        if start >= done {
            masked.push_str(text.get(done..start)?);
            masked.push_str(mask);
        }
        done = done.max(end);
    }
    masked.push_str(text.get(done..)?);
    Some(masked)
}

impl Pattern {
    fn find_all(&self, text: &str) -> Vec<Range<usize>> {
        match self {
            Self::Prefix(Prefix(prefix)) => {
                text.match_indices(prefix).filter_map(|(start, _)| word(text, prefix, start)).collect()
            }
            Self::Email => text.match_indices('@').filter_map(|(at, _)| email(text, at)).collect(),
        }
    }
}

/// The word that starts with the prefix that is there.
fn word(text: &str, prefix: &str, start: usize) -> Option<Range<usize>> {
    let (before, word) = text.split_at_checked(start)?;
    let more = word.get(prefix.len()..)?;
    let length = more.find(|char| !is_word(char)).unwrap_or(more.len());
    (!before.ends_with(is_word) && length > 0).then_some(start..start + prefix.len() + length)
}

/// The address around an at sign.
fn email(text: &str, at: usize) -> Option<Range<usize>> {
    let (before, from_at) = text.split_at_checked(at)?;
    let start = before.trim_end_matches(|char: char| is_word(char) || ".%+".contains(char)).len();
    let host = from_at.get(1..)?;
    let end = host.find(|char: char| !(char.is_alphanumeric() || ".-".contains(char))).unwrap_or(host.len());
    // The full stop of a sentence is no part of the name.
    let name = host.get(..end)?.trim_end_matches(['.', '-']);
    let has_dot = name.split_once('.').is_some_and(|(first, _)| !first.is_empty());
    (start < at && has_dot).then_some(start..at + 1 + name.len())
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '-' | '_')
}
