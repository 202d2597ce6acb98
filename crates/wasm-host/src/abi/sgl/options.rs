use serde::Deserialize;

use super::{ID, ON_REQUEST, ON_RESPONSE};
use crate::{Error, Result};

/// What an operator may say of a guest of this ABI.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// Absent: request and response, as far as the guest exports them.
    attach_points: Option<Vec<AttachPoint>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "they are the words of the original")]
enum AttachPoint {
    OnRequest,
    OnResponse,
    OnError,
}

/// When the guest is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attached {
    pub(super) request: bool,
    pub(super) response: bool,
    pub(super) error: bool,
}

impl Options {
    /// When a guest with these exports is called.
    pub(super) fn attached(self, exports_request: bool, exports_response: bool) -> Result<Attached> {
        let Some(points) = self.attach_points else {
            return Ok(Attached { request: exports_request, response: exports_response, error: false });
        };
        let refused = |reason: String| Err(Error::AbiOptions { abi: ID, reason });
        if points.is_empty() {
            return refused(
                "`attach_points` is empty: name one of OnRequest, OnResponse, OnError, or leave it out".into(),
            );
        }
        for point in &points {
            let (is_there, needed) = match point {
                AttachPoint::OnRequest => (exports_request, ON_REQUEST.interface),
                AttachPoint::OnResponse | AttachPoint::OnError => (exports_response, ON_RESPONSE.interface),
            };
            if !is_there {
                return refused(format!("`attach_points` has {point:?}, and the guest does not export `{needed}`"));
            }
        }
        let has = |point| points.contains(&point);
        Ok(Attached {
            request: has(AttachPoint::OnRequest),
            response: has(AttachPoint::OnResponse),
            error: has(AttachPoint::OnError),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::abi::AbiOptions;

    fn attached(given: &Value, exports: [bool; 2]) -> Result<[bool; 3]> {
        let Attached { request, response, error } =
            AbiOptions::new(given).parse::<Options>(ID)?.attached(exports[0], exports[1])?;
        Ok([request, response, error])
    }

    #[test]
    fn a_guest_is_called_where_it_can_be_unless_said_otherwise() {
        for exports in [[true, false], [false, true], [true, true]] {
            assert_eq!(attached(&Value::Null, exports).unwrap(), [exports[0], exports[1], false]);
        }
        let points = json!({ "attach_points": ["OnError", "OnRequest"] });
        assert_eq!(attached(&points, [true, true]).unwrap(), [true, false, true]);
    }

    #[test]
    fn says_what_is_wrong_with_attach_points() {
        let error =
            |points: Value, exports| attached(&json!({ "attach_points": points }), exports).unwrap_err().to_string();
        for point in ["OnResponse", "OnError"] {
            let said = error(json!([point]), [true, false]);
            assert!(said.contains(&format!("has {point}")) && said.contains("`middleware-on-response`"), "{said}");
        }
        assert!(error(json!(["OnRequest"]), [false, true]).contains("`middleware-on-request`"));
        assert!(error(json!([]), [true, true]).contains("is empty"));
        assert!(error(json!(["OnReques"]), [true, true]).contains("`OnRequest`"));
    }
}
