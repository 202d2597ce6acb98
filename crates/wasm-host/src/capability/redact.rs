use std::borrow::Cow;

use memchr::memmem::Finder;

/// Lines of a text of several lines that are shorter than this say nothing.
const LINE_CHARACTERS: usize = 6;
/// Bytes of words that are looked at; what follows is cut off. A guest may hand over many times as much.
const WORDS: usize = 1 << 20;

/// Texts that do not belong into logs, errors and metrics, each with what is written in its place.
#[derive(Default)]
pub(crate) struct Redaction(Vec<(Finder<'static>, String)>);

impl Redaction {
    /// Cuts out this text, also where it is escaped as in Rust or JSON, and its single lines.
    pub(crate) fn add(&mut self, text: &str, marker: &str) {
        let escaped = text.escape_debug().to_string();
        let json = serde_json::Value::from(text).to_string();
        let json = json.get(1..json.len() - 1).unwrap_or_default();
        let lines = text.lines().filter(|line| line.chars().count() >= LINE_CHARACTERS);
        let mut forms: Vec<&str> = [text, &escaped, json].into_iter().chain(lines).collect();
        forms.sort_unstable();
        forms.dedup();
        for form in forms.into_iter().filter(|form| !form.is_empty()) {
            self.0.push((Finder::new(form).into_owned(), marker.to_owned()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words without these texts. Texts that overlap go together, under the mark of the first and longest; a mark is
    /// not searched again.
    pub(crate) fn apply<'a>(&self, words: &'a str) -> Cow<'a, str> {
        if self.is_empty() {
            return Cow::Borrowed(words);
        }
        let end_of_words = words.floor_char_boundary(WORDS);
        let mut found = self.find(words, end_of_words);
        if found.is_empty() && end_of_words == words.len() {
            return Cow::Borrowed(words);
        }
        found.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
        let mut clean = String::with_capacity(words.len());
        let mut written = 0;
        for (start, end, marker) in found {
            if start >= written {
                clean.push_str(words.get(written..start).unwrap_or_default());
                clean.push_str(marker);
            }
            written = written.max(end);
        }
        clean.push_str(words.get(written..end_of_words).unwrap_or_default());
        if end_of_words < words.len() {
            clean.push('…');
        }
        Cow::Owned(clean)
    }

    /// Where each text is, start and end, overlapping ones too: all that start before this end.
    fn find(&self, words: &str, before: usize) -> Vec<(usize, usize, &str)> {
        let bytes = words.as_bytes();
        let mut found = Vec::new();
        for (finder, marker) in &self.0 {
            let mut from = 0;
            let last = (before + finder.needle().len()).saturating_sub(1).min(bytes.len());
            while let Some(at) = bytes.get(from..last).and_then(|rest| finder.find(rest)) {
                let start = from + at;
                found.push((start, start + finder.needle().len(), marker.as_str()));
                from = start + 1;
            }
        }
        found
    }
}

impl std::fmt::Debug for Redaction {
    /// Never shows the texts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redaction").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redaction(texts: &[(&str, &str)]) -> Redaction {
        let mut redaction = Redaction::default();
        texts.iter().for_each(|(text, marker)| redaction.add(text, marker));
        redaction
    }

    #[test]
    fn a_mark_is_not_searched_again() {
        let redaction = redaction(&[("e", "[secret e]"), ("secret", "[secret word]")]);
        assert_eq!(redaction.apply("a secret tree"), "a [secret word] tr[secret e][secret e]");
        assert_eq!(redaction.apply("nothing"), "nothing");
    }

    #[test]
    fn texts_that_overlap_go_together() {
        let redaction = redaction(&[("abcd", "[1]"), ("cdef", "[2]")]);
        assert_eq!(redaction.apply("-abcdef-"), "-[1]-");
        assert_eq!(redaction.apply("abcdabcd"), "[1][1]");
        let twice = super::tests::redaction(&[("aa", "[a]")]);
        assert_eq!(twice.apply("aaa"), "[a]");
    }

    #[test]
    fn a_text_is_found_escaped_and_line_by_line() {
        let redaction = redaction(&[("-----BEGIN-----\n\"key\"\tä\n", "[k]")]);
        assert_eq!(redaction.apply("in -----BEGIN-----\n\"key\"\tä\n"), "in [k]");
        assert_eq!(redaction.apply("in \"-----BEGIN-----\\n\\\"key\\\"\\tä\\n\""), "in \"[k]\"");
        assert_eq!(redaction.apply("line -----BEGIN-----"), "line [k]");
    }

    #[test]
    fn endless_words_are_cut_and_not_in_the_middle_of_a_text() {
        let redaction = redaction(&[("secret", "[s]")]);
        let words = format!("{}secretly", "x".repeat(WORDS - 3));
        assert_eq!(redaction.apply(&words), format!("{}[s]…", "x".repeat(WORDS - 3)));
        assert_eq!(redaction.apply(&"x".repeat(WORDS)), "x".repeat(WORDS));
        assert_eq!(Redaction::default().apply(&words), words);
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_left(text in "[ab\"\\\\ä]{1,4}", words in "[abc\"\\\\ä]{0,40}") {
            let redaction = redaction(&[(&text, "[X]")]);
            prop_assert!(!redaction.apply(&words).contains(&text));
        }
    }
}
