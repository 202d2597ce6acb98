//! Requests on condition that the client's copy is outdated (RFC 9110 13).

use std::time::SystemTime;

use super::headers::Headers;

/// Whether the client has this response already.
pub(crate) fn is_not_modified(request: &Headers, response: &Headers) -> bool {
    if request.has("if-none-match") {
        let known = request.list("if-none-match");
        return known.trim() == "*" || response.text("etag").is_some_and(|tag| has_tag(&known, tag));
    }
    let since = date(request, "if-modified-since");
    // RFC 9111 4.3.2: without the time of the last change, that of the response.
    let changed = date(response, "last-modified").or_else(|| date(response, "date"));
    matches!((since, changed), (Some(since), Some(changed)) if changed <= since)
}

/// Compares as RFC 9110 8.8.3.2 wants it here: weakly.
fn has_tag(list: &str, tag: &str) -> bool {
    let Some(wanted) = opaque(tag) else { return false };
    let mut rest = list;
    while let Some((_, quoted)) = rest.split_once('"') {
        let Some((known, behind)) = quoted.split_once('"') else { return false };
        if known == wanted {
            return true;
        }
        rest = behind;
    }
    false
}

fn opaque(tag: &str) -> Option<&str> {
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')
}

fn date(headers: &Headers, name: &str) -> Option<SystemTime> {
    headers.text(name).and_then(|text| httpdate::parse_http_date(text).ok())
}
