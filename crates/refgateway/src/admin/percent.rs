//! What is escaped in a URL.

/// Percent-decoding; `+` stays, as paths may hold it. `None` when it is not UTF-8 or an escape is broken.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (&[high, low], after) = after.split_first_chunk::<2>()?;
            bytes.push((digit(high)? << 4) | digit(low)?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn an_escape_has_two_digits() {
        for (text, decoded) in [
            ("a%20b%2F%c3%A9", Some("a b/é")),
            ("a+b", Some("a+b")),
            ("%+f", None),
            ("%-1", None),
            ("% 1", None),
            ("%g0", None),
            ("%é", None),
            ("%2", None),
            ("%", None),
            ("%ff", None),
        ] {
            assert_eq!(decode(text).as_deref(), decoded, "{text}");
        }
    }
}
