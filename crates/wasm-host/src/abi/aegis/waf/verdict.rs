//! What a WAF module says about a request.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, IgnoredAny, SeqAccess, Visitor},
};

/// Matches of which more is kept than that they are there.
const MATCHES: usize = 64;
/// Characters of a text that are kept.
const TEXT: usize = 256;

#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    pub(super) blocked: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) matches: Matches,
}

/// What of a verdict is heeded when the rest cannot be read.
#[derive(Debug, Deserialize)]
struct Decision {
    blocked: bool,
}

/// The rules that matched, the first of them.
#[derive(Debug, Default)]
pub(super) struct Matches {
    pub(super) first: Vec<Match>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Match {
    pub(super) rule_id: Word,
    #[serde(default)]
    pub(super) description: Word,
    #[serde(default)]
    pub(super) severity: Word,
    #[serde(default)]
    pub(super) category: Word,
    #[serde(default)]
    pub(super) matched_value: Word,
    #[serde(default)]
    pub(super) location: Word,
}

impl Verdict {
    /// Reads the JSON of a guest, or says what it is instead.
    pub(super) fn read(json: &[u8], most: usize) -> Result<Self, String> {
        if json.len() > most {
            return Err(format!("{} bytes, and `limits.hostcall_bytes` is {most}", json.len()));
        }
        serde_json::from_slice(json).or_else(|error| match serde_json::from_slice(json) {
            Ok(Decision { blocked: true }) => Ok(Self { blocked: true, matches: Matches::default() }),
            _ => Err(format!("no verdict: {error}")),
        })
    }
}

/// A text or a number, as rule sets number and name what they have.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Word {
    Number(serde_json::Number),
    Text(String),
}

impl Default for Word {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WordVisitor)
    }
}

struct WordVisitor;

impl Visitor<'_> for WordVisitor {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_unit<E: Error>(self) -> Result<Word, E> {
        Ok(Word::default())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Word, E> {
        Ok(Word::Number(number.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
        Ok(Word::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Word, E> {
        Ok(serde_json::Number::from_f64(number).map_or_else(Word::default, Word::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
        let end = text.char_indices().nth(TEXT).map_or(text.len(), |(end, _)| end);
        Ok(Word::Text(text.get(..end).unwrap_or_default().to_owned()))
    }
}

impl<'de> Deserialize<'de> for Matches {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MatchesVisitor)
    }
}

struct MatchesVisitor;

impl<'de> Visitor<'de> for MatchesVisitor {
    type Value = Matches;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of matches")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Matches, A::Error> {
        let mut first = Vec::new();
        while first.len() < MATCHES {
            match list.next_element()? {
                Some(found) => first.push(found),
                None => return Ok(Matches { first }),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Matches { first })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(verdict: &Value) -> Result<Verdict, String> {
        Verdict::read(verdict.to_string().as_bytes(), 1 << 20)
    }

    #[test]
    fn a_verdict_has_its_matches() {
        let found = json!({
            "rule_id": 942_100, "description": "SQL", "severity": "critical", "category": "sqli",
            "matched_value": "x".repeat(1000), "location": "query", "of_no_use": [{}]
        });
        let verdict = read(
            &json!({ "blocked": true, "matches": [found, { "rule_id": "R1", "severity": 5 }], "execution_time_us": 7 }),
        )
        .unwrap();
        let [first, second] = &verdict.matches.first[..] else { panic!("{verdict:?}") };
        assert_eq!((first.rule_id.to_string(), first.matched_value.to_string().len()), ("942100".into(), TEXT));
        assert_eq!((second.rule_id.to_string(), second.severity.to_string()), ("R1".into(), "5".into()));
        let ids: Vec<_> = verdict.matches.first.iter().map(|found| &found.rule_id).collect();
        assert_eq!(serde_json::to_value(ids).unwrap(), json!([942_100, "R1"]));
        assert!(verdict.blocked);
    }

    #[test]
    fn what_is_no_verdict_is_refused() {
        for wrong in [
            json!({}),
            json!([]),
            json!({ "blocked": 1 }),
            json!({ "blocked": "true", "matches": [] }),
            json!({ "blocked": false, "matches": {} }),
            json!({ "blocked": false, "matches": [{}] }),
            json!({ "blocked": false, "matches": [{ "rule_id": [] }] }),
        ] {
            assert!(read(&wrong).unwrap_err().starts_with("no verdict: "), "{wrong}");
        }
        let error = Verdict::read(b"{\"blocked\":true}", 3).unwrap_err();
        assert_eq!(error, "16 bytes, and `limits.hostcall_bytes` is 3");
    }

    #[test]
    fn who_blocks_blocks_whatever_else_is_said() {
        for matches in [json!({}), json!([{}]), json!([{ "rule_id": [] }]), json!(null), json!(7)] {
            let verdict = read(&json!({ "blocked": true, "matches": matches.clone() })).unwrap();
            assert!(verdict.blocked && verdict.matches.first.is_empty(), "{matches}");
        }
        assert!(Verdict::read(br#"{"blocked":true,"matches":["#, 1 << 20).is_err());
    }

    #[test]
    fn null_is_as_good_as_nothing() {
        let found = json!({ "rule_id": 1, "description": null, "severity": null, "location": null });
        let verdict = read(&json!({ "blocked": false, "matches": [found], "execution_time_us": null })).unwrap();
        assert_eq!((verdict.matches.first.len(), verdict.matches.first[0].location.to_string()), (1, String::new()));
    }

    #[test]
    fn many_matches_are_as_good_as_some() {
        let verdict =
            read(&json!({ "blocked": true, "matches": vec![json!({ "rule_id": 1 }); 10 * MATCHES] })).unwrap();
        assert_eq!(verdict.matches.first.len(), MATCHES);
    }

    proptest! {
        #[test]
        fn whatever_a_guest_returns_is_a_verdict_or_an_error(bytes: Vec<u8>, blocked: bool, text in ".{0,400}") {
            prop_assert!(Verdict::read(&bytes, 1 << 20).is_err());
            let verdict = read(&json!({ "blocked": blocked, "matches": [{ "rule_id": text.clone() }] })).unwrap();
            let kept: String = text.chars().take(TEXT).collect();
            prop_assert_eq!((verdict.blocked, verdict.matches.first[0].rule_id.to_string()), (blocked, kept));
        }
    }
}
