//! The cache-control header (RFC 9111 5.2).

use std::time::Duration;

use super::headers::Headers;

/// A number that is larger counts as this one (RFC 9111 1.2.2).
const LONGEST: Duration = Duration::from_secs(1 << 31);

/// What a request wants of caches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestDirectives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<Duration>,
}

impl RequestDirectives {
    pub(crate) fn of(request: &Headers) -> Self {
        let mut found = Self::default();
        for_each(&request.list("cache-control"), |name, argument| match name {
            "no-store" => found.no_store = true,
            "no-cache" => found.no_cache = true,
            "only-if-cached" => found.only_if_cached = true,
            "max-age" => shorten(&mut found.max_age, argument),
            _ => {}
        });
        found
    }
}

/// What a response allows caches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseDirectives {
    pub(crate) no_store: bool,
    /// Also where it names headers only.
    pub(crate) no_cache: bool,
    /// Also where it names headers only.
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    /// RFC 5861 3.
    pub(crate) stale_while_revalidate: Option<Duration>,
}

impl ResponseDirectives {
    pub(crate) fn of(response: &Headers) -> Self {
        let mut found = Self::default();
        for_each(&response.list("cache-control"), |name, argument| match name {
            "no-store" => found.no_store = true,
            "no-cache" => found.no_cache = true,
            "private" => found.private = true,
            "public" => found.public = true,
            "must-revalidate" => found.must_revalidate = true,
            "proxy-revalidate" => found.proxy_revalidate = true,
            "max-age" => shorten(&mut found.max_age, argument),
            "s-maxage" => shorten(&mut found.s_maxage, argument),
            "stale-while-revalidate" => shorten(&mut found.stale_while_revalidate, argument),
            _ => {}
        });
        found
    }

    /// Whether the response to a request with credentials is for others, too (RFC 9111 3.5).
    pub(crate) fn is_for_all(&self) -> bool {
        self.public || self.must_revalidate || self.s_maxage.is_some()
    }
}

/// Of a directive that is there twice, the shorter time counts; what is no number is no time at all (RFC 9111 4.2.1).
fn shorten(time: &mut Option<Duration>, argument: Option<&str>) {
    let seconds = argument.map_or(Duration::ZERO, seconds);
    *time = Some(time.map_or(seconds, |known| known.min(seconds)));
}

fn seconds(text: &str) -> Duration {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Duration::ZERO;
    }
    text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST)
}

/// Calls with the name, in lower case, and the argument of each directive of a list.
fn for_each(list: &str, mut take: impl FnMut(&str, Option<&str>)) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let directives = list.split(|letter: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match letter {
            _ if was_escaped => {}
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' => return !is_quoted,
            _ => {}
        }
        false
    });
    for directive in directives {
        let (name, argument) = match directive.split_once('=') {
            Some((name, argument)) => (name, Some(argument.trim().trim_matches('"'))),
            None => (directive, None),
        };
        take(&name.trim().to_ascii_lowercase(), argument);
    }
}
