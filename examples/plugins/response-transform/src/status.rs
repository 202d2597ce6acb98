use std::ops::RangeInclusive;

use serde::Deserialize;

/// A status that a response may have: 200 to 599.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u16")]
pub(crate) struct Status(pub(crate) u16);

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        if (200..600).contains(&status) {
            Ok(Self(status))
        } else {
            Err(format!("{status} is not a status of 200 to 599"))
        }
    }
}

/// The statuses that a rule is for: `404`, `"500-599"` or `"5xx"`.
#[derive(Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Statuses(RangeInclusive<u16>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "`status` must be a number, a range like \"500-599\" or a class like \"5xx\"")]
enum Written {
    One(u16),
    Text(String),
}

impl Statuses {
    pub(crate) fn contain(&self, status: u16) -> bool {
        self.0.contains(&status)
    }
}

impl TryFrom<Written> for Statuses {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let range = match &written {
            Written::One(status) => Some(*status..=*status),
            Written::Text(text) => parse(text),
        };
        match (range, written) {
            (Some(range), _) if !range.is_empty() && *range.start() >= 200 && *range.end() < 600 => Ok(Self(range)),
            (_, Written::One(status)) => Err(format!("`status`: {status} is not 200 to 599")),
            (_, Written::Text(text)) => Err(format!(
                "`status`: `{text}` is neither a range like `500-599` nor a class like `5xx`, within 200 to 599"
            )),
        }
    }
}

fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    if let Some(class) = text.strip_suffix("xx") {
        let first = class.parse::<u16>().ok()?.checked_mul(100)?;
        return Some(first..=first.checked_add(99)?);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
