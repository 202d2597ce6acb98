//! Edits a guest may make to a message, decided once for every ABI.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header,
    request::Parts as RequestParts,
    uri::{Authority, PathAndQuery},
};

/// Why an edit was refused. The message is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EditError {
    #[error("`{0}` is not a header name")]
    InvalidName(String),
    #[error("the value of `{0}` is not a header value")]
    InvalidValue(String),
    #[error("the host manages `{0}`")]
    Forbidden(String),
    #[error("{0} is not a final status")]
    InvalidStatus(u16),
    #[error("`{0}` is not a method")]
    InvalidMethod(String),
    #[error("`{0}` is not a path with an optional query")]
    InvalidPath(String),
    #[error("`{0}` is not a host with an optional port")]
    InvalidAuthority(String),
    #[error("passes `limits.header_bytes`")]
    TooLarge,
    #[error("the headers are sent, or the trailers are not there yet")]
    WrongTime,
}

/// What the edits of a call may still bring into a message.
#[derive(Debug)]
pub(crate) struct EditBudget {
    /// Bytes of names and values.
    pub(crate) left: usize,
    /// Whether the headers can still be edited.
    pub(crate) headers_open: bool,
}

impl EditBudget {
    pub(crate) fn new(left: usize) -> Self {
        Self { left, headers_open: true }
    }

    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), EditError> {
        self.left = self.left.checked_sub(bytes).ok_or(EditError::TooLarge)?;
        Ok(())
    }

    pub(crate) fn check_open(&self) -> Result<(), EditError> {
        if self.headers_open { Ok(()) } else { Err(EditError::WrongTime) }
    }

    fn edit_headers(&mut self, bytes: usize) -> Result<(), EditError> {
        self.check_open()?;
        self.spend(bytes)
    }
}

/// The headers of a message, as a guest may read and edit them.
pub(crate) struct Headers<'a> {
    pub(crate) map: &'a mut HeaderMap,
    pub(crate) budget: &'a mut EditBudget,
}

impl Headers<'_> {
    pub(crate) fn set(&mut self, name: &str, value: &[u8]) -> Result<(), EditError> {
        let (name, value) = self.checked(name, value)?;
        self.map.try_insert(name, value).map_err(|_| EditError::TooLarge)?;
        Ok(())
    }

    pub(crate) fn append(&mut self, name: &str, value: &[u8]) -> Result<(), EditError> {
        let (name, value) = self.checked(name, value)?;
        self.map.try_append(name, value).map_err(|_| EditError::TooLarge)?;
        Ok(())
    }

    /// Removes every value of a name, and says how many there were.
    pub(crate) fn remove(&mut self, name: &str) -> Result<u32, EditError> {
        self.budget.check_open()?;
        Ok(remove_all(self.map, editable_name(name)?))
    }

    /// Names trailers in the trailer header. A message with trailers has no length of its own.
    pub(crate) fn announce_trailers(&mut self, names: &[String]) -> Result<(), EditError> {
        let names = names.iter().map(|name| trailer_name(name)).collect::<Result<Vec<_>, _>>()?;
        for name in names {
            let value = HeaderValue::from(name);
            self.budget.edit_headers(header::TRAILER.as_str().len() + value.len())?;
            self.map.try_append(header::TRAILER, value).map_err(|_| EditError::TooLarge)?;
            self.map.remove(header::CONTENT_LENGTH);
        }
        Ok(())
    }

    fn checked(&mut self, name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue), EditError> {
        let name = editable_name(name)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| EditError::InvalidValue(name.to_string()))?;
        self.budget.edit_headers(name.as_str().len() + value.len())?;
        Ok((name, value))
    }
}

/// The trailers of a message, as a guest may read and edit them.
pub(crate) struct Trailers<'a> {
    pub(crate) map: &'a mut HeaderMap,
    pub(crate) budget: &'a mut EditBudget,
}

impl Trailers<'_> {
    pub(crate) fn set(&mut self, name: &str, value: &[u8]) -> Result<(), EditError> {
        let name = trailer_name(name)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| EditError::InvalidValue(name.to_string()))?;
        self.budget.spend(name.as_str().len() + value.len())?;
        self.map.try_insert(name, value).map_err(|_| EditError::TooLarge)?;
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) -> Result<u32, EditError> {
        Ok(remove_all(self.map, trailer_name(name)?))
    }
}

/// Removes every value of a name, and says how many there were.
fn remove_all(map: &mut HeaderMap, name: HeaderName) -> u32 {
    match map.entry(name) {
        header::Entry::Occupied(entry) => u32::try_from(entry.remove_entry_mult().1.count()).unwrap_or(u32::MAX),
        header::Entry::Vacant(_) => 0,
    }
}

fn editable_name(name: &str) -> Result<HeaderName, EditError> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| EditError::InvalidName(name.to_owned()))?;
    if is_host_managed(&name) { Err(EditError::Forbidden(name.to_string())) } else { Ok(name) }
}

/// A name that trailers may have: not one that frames, routes, authenticates or describes a message (RFC 9110 6.5.1).
fn trailer_name(name: &str) -> Result<HeaderName, EditError> {
    let name = editable_name(name)?;
    let describes_the_message = [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::EXPECT,
        header::MAX_FORWARDS,
        header::PROXY_AUTHORIZATION,
        header::SET_COOKIE,
    ]
    .contains(&name);
    if describes_the_message { Err(EditError::Forbidden(name.to_string())) } else { Ok(name) }
}

/// Hop-by-hop headers (RFC 9110 7.6.1), and those that say where a message ends and whom it is for.
fn is_host_managed(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::CONTENT_LENGTH,
        header::HOST,
    ]
    .contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// Sets the method. `CONNECT` is not one a request can be changed to: it has another form of target.
pub(crate) fn set_method(request: &mut RequestParts, budget: &mut EditBudget, method: &str) -> Result<(), EditError> {
    budget.edit_headers(method.len())?;
    let parsed = Method::from_bytes(method.as_bytes()).ok().filter(|method| method != Method::CONNECT);
    request.method = parsed.ok_or_else(|| EditError::InvalidMethod(method.to_owned()))?;
    Ok(())
}

pub(crate) fn set_path_with_query(
    request: &mut RequestParts,
    budget: &mut EditBudget,
    target: &str,
) -> Result<(), EditError> {
    budget.edit_headers(target.len())?;
    let invalid = || EditError::InvalidPath(target.to_owned());
    if !target.starts_with('/') || target.contains('#') {
        return Err(invalid());
    }
    let mut uri = request.uri.clone().into_parts();
    uri.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| invalid())?);
    request.uri = Uri::from_parts(uri).map_err(|_| invalid())?;
    Ok(())
}

/// Sets whom the request is for, wherever the message says so: in its target, in its host header.
pub(crate) fn set_authority(request: &mut RequestParts, budget: &mut EditBudget, text: &str) -> Result<(), EditError> {
    budget.edit_headers(text.len())?;
    let invalid = || EditError::InvalidAuthority(text.to_owned());
    let authority = Authority::try_from(text).map_err(|_| invalid())?;
    let has_bad_port = authority.as_str().len() > authority.host().len() && authority.port_u16().is_none();
    if authority.host().is_empty() || text.contains('@') || has_bad_port {
        return Err(invalid());
    }
    let value = HeaderValue::from_str(text).map_err(|_| invalid())?;
    let mut uri = request.uri.clone().into_parts();
    let in_target = uri.authority.is_some();
    if in_target {
        uri.authority = Some(authority);
        request.uri = Uri::from_parts(uri).map_err(|_| invalid())?;
    }
    if !in_target || request.headers.contains_key(header::HOST) {
        request.headers.insert(header::HOST, value);
    }
    Ok(())
}

/// Sets a status that may end an exchange: 200 to 599. A switch of protocols, which is under way, stays one.
pub(crate) fn set_status(to: &mut StatusCode, status: u16) -> Result<(), EditError> {
    if !(200..600).contains(&status) || to.is_informational() {
        return Err(EditError::InvalidStatus(status));
    }
    *to = StatusCode::from_u16(status).map_err(|_| EditError::InvalidStatus(status))?;
    Ok(())
}

/// What a message loses with its content-encoding.
pub(crate) fn forget_coding(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_ENCODING);
    weaken_validators(headers);
}

/// What was said of the bytes as they were.
fn weaken_validators(headers: &mut HeaderMap) {
    ["content-digest", "repr-digest", "content-md5", "digest"]
        .into_iter()
        .for_each(|digest| drop(headers.remove(digest)));
    // A strong validator is for the bytes as they were (RFC 9110 8.8.1).
    if let Some(tag) = headers.get_mut(header::ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        *tag = weak;
    }
}

/// States the length of a replaced body, unless trailers follow it, and no more what was said of the one before.
pub(crate) fn set_replaced(headers: &mut HeaderMap, bytes: &[u8]) {
    weaken_validators(headers);
    headers.remove(header::CONTENT_LENGTH);
    if !headers.contains_key(header::TRAILER) {
        // Where there is no room for it, the body is framed by itself.
        let _ = headers.try_insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> RequestParts {
        http::Request::builder().uri(uri).header("host", "old.example").body(()).unwrap().into_parts().0
    }

    #[test]
    fn refuses_headers_that_the_host_manages() {
        let mut map = HeaderMap::new();
        let mut headers = Headers { map: &mut map, budget: &mut EditBudget::new(1000) };
        for name in [
            "Connection",
            "keep-alive",
            "proxy-connection",
            "TE",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "content-length",
            "Host",
        ] {
            let error = EditError::Forbidden(name.to_lowercase());
            assert_eq!(headers.set(name, b"x"), Err(error.clone()));
            assert_eq!(headers.append(name, b"x"), Err(error.clone()));
            assert_eq!(headers.remove(name), Err(error));
        }
    }

    #[test]
    fn refuses_what_could_split_a_message() {
        let mut map = HeaderMap::new();
        let mut headers = Headers { map: &mut map, budget: &mut EditBudget::new(1000) };
        assert_eq!(headers.set("a b", b"x"), Err(EditError::InvalidName("a b".into())));
        assert_eq!(headers.set("", b"x"), Err(EditError::InvalidName(String::new())));
        assert_eq!(headers.append("a", b"x\r\nb: y"), Err(EditError::InvalidValue("a".into())));
        let (mut request, mut budget) = (parts("/"), EditBudget::new(1000));
        assert!(set_path_with_query(&mut request, &mut budget, "/a b").is_err());
        assert!(set_path_with_query(&mut request, &mut budget, "http://elsewhere/").is_err());
        assert!(set_authority(&mut request, &mut budget, "user@host").is_err());
        assert!(set_authority(&mut request, &mut budget, "host:99999").is_err());
        assert!(set_authority(&mut request, &mut budget, "[::1]:80").is_ok());
        assert!(set_method(&mut request, &mut budget, "GET /").is_err());
        assert!(set_method(&mut request, &mut budget, "CONNECT").is_err());
        assert_eq!(set_method(&mut request, &mut EditBudget::new(3), "LONG"), Err(EditError::TooLarge));
        assert_eq!(request.uri, "/");
    }

    #[test]
    fn bounds_added_headers() {
        let mut map = HeaderMap::new();
        let mut headers = Headers { map: &mut map, budget: &mut EditBudget::new(10) };
        assert_eq!(headers.append("a", b"12345678"), Ok(()));
        assert_eq!(headers.append("a", b"9"), Err(EditError::TooLarge));
        assert_eq!(headers.remove("a"), Ok(1));
    }

    #[test]
    fn authority_replaces_target_and_host() {
        let mut http1 = parts("/x");
        set_authority(&mut http1, &mut EditBudget::new(100), "new.example:81").unwrap();
        assert_eq!(http1.headers["host"], "new.example:81");
        assert_eq!(http1.uri, "/x");
        let mut http2 = parts("https://old.example/x");
        set_authority(&mut http2, &mut EditBudget::new(100), "new.example").unwrap();
        assert_eq!(http2.uri, "https://new.example/x");
        assert_eq!(http2.headers["host"], "new.example");
    }

    #[test]
    fn final_statuses_only() {
        let mut status = StatusCode::OK;
        for bad in [0, 99, 100, 101, 199, 600, 999, 1000, u16::MAX] {
            assert_eq!(set_status(&mut status, bad), Err(EditError::InvalidStatus(bad)));
        }
        assert_eq!(set_status(&mut status, 599), Ok(()));
        assert_eq!(status.as_u16(), 599);
    }
}
