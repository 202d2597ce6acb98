//! Bodies in the JSON of messages.

use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

use super::json;

/// How a body is told, in both directions.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum BodyEncoding {
    #[default]
    Base64,
    /// The bytes as text; those that are not UTF-8 are told as U+FFFD.
    Text,
}

const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

impl BodyEncoding {
    /// Writes a body as a JSON text.
    pub(super) fn write(self, to: &mut Vec<u8>, body: &[u8]) {
        match self {
            Self::Text => json::text(to, &String::from_utf8_lossy(body)),
            Self::Base64 => {
                to.push(b'"');
                let start = to.len();
                to.resize(start + base64::encoded_len(body.len(), true).unwrap_or_default(), 0);
                let written = to.get_mut(start..).and_then(|place| BASE64.encode_slice(body, place).ok());
                to.truncate(start + written.unwrap_or_default());
                to.push(b'"');
            }
        }
    }

    /// The body that a guest's text stands for. Line breaks in base64 are passed over.
    pub(super) fn decode(self, text: String) -> Result<Vec<u8>, base64::DecodeError> {
        match self {
            Self::Text => Ok(text.into_bytes()),
            Self::Base64 => {
                let is_broken = text.bytes().any(|byte| matches!(byte, b'\r' | b'\n'));
                let text = if is_broken { Cow::Owned(text.replace(['\r', '\n'], "")) } else { Cow::Borrowed(&*text) };
                BASE64.decode(text.as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(encoding: BodyEncoding, body: &[u8]) -> String {
        let mut json = b"before".to_vec();
        encoding.write(&mut json, body);
        serde_json::from_slice(json.strip_prefix(b"before").unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn a_body_survives_base64(body: Vec<u8>) {
            let text = written(BodyEncoding::Base64, &body);
            prop_assert_eq!(BodyEncoding::Base64.decode(text).unwrap(), body);
        }

        #[test]
        fn a_text_survives_as_text(body: String) {
            let text = written(BodyEncoding::Text, body.as_bytes());
            prop_assert_eq!(BodyEncoding::Text.decode(text).unwrap(), body.into_bytes());
        }

        #[test]
        fn any_text_is_base64_or_refused(text: String) {
            if let Ok(body) = BodyEncoding::Base64.decode(text.clone()) {
                let again = written(BodyEncoding::Base64, &body);
                let letters = |text: &str| text.replace(['\r', '\n', '='], "").len();
                prop_assert_eq!(letters(&again), letters(&text));
            }
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_marked() {
        assert_eq!(written(BodyEncoding::Text, b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn base64_may_be_broken_into_lines() {
        assert_eq!(BodyEncoding::Base64.decode("YWJj\r\nZGVm\n".into()).unwrap(), b"abcdef");
        for bad in ["YWJ", "YW=j", "ab cd", "\u{e9}"] {
            assert!(BodyEncoding::Base64.decode(bad.into()).is_err(), "{bad}");
        }
    }
}
