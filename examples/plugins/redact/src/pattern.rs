use serde::Deserialize;

/// What a secret in a text looks like.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pattern {
    /// A word that starts with this, and goes on with letters, digits, `-` or `_`.
    Prefix(Prefix),
    /// An address of electronic mail: words, an at sign, a name with a dot.
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

impl Pattern {
    /// The text with the mask in the place of all that fits; none when nothing does.
    pub(crate) fn mask(&self, text: &str, mask: &str) -> Option<String> {
        let mut masked = String::new();
        let mut rest = text;
        while let Some((before, after)) = self.find(rest) {
            masked.push_str(before);
            masked.push_str(mask);
            rest = after;
        }
        if rest.len() == text.len() {
            return None;
        }
        masked.push_str(rest);
        Some(masked)
    }

    /// What is before and behind the first match.
    fn find<'a>(&self, text: &'a str) -> Option<(&'a str, &'a str)> {
        match self {
            Self::Prefix(Prefix(prefix)) => find_word(text, prefix),
            Self::Email => find_email(text),
        }
    }
}

fn find_word<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    text.match_indices(prefix).find_map(|(start, _)| {
        let (before, word) = text.split_at(start);
        let end = word.get(prefix.len()..)?.find(|char| !is_word(char)).map_or(word.len(), |end| prefix.len() + end);
        (!before.ends_with(is_word) && end > prefix.len()).then(|| (before, word.split_at(end).1))
    })
}

fn find_email(text: &str) -> Option<(&str, &str)> {
    text.match_indices('@').find_map(|(at, _)| {
        let (left, right) = text.split_at(at);
        let local = |char: char| char.is_alphanumeric() || "._%+-".contains(char);
        let before = left.trim_end_matches(local);
        let domain = |char: char| char.is_alphanumeric() || ".-".contains(char);
        let host = right.get(1..)?;
        let end = host.find(|char| !domain(char)).unwrap_or(host.len());
        // The full stop of a sentence is no part of the name.
        let name = host.get(..end)?.trim_end_matches(['.', '-']);
        let has_dot = name.split_once('.').is_some_and(|(first, more)| !first.is_empty() && !more.is_empty());
        (before.len() < left.len() && has_dot).then(|| (before, host.split_at(name.len()).1))
    })
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '-' | '_')
}
