//! Answers requests from stored responses: a shared cache as RFC 9111 has it.

mod asked;
mod conditional;
mod directives;
mod freshness;
mod headers;
mod key;
mod offer;
mod settings;
mod status;

use std::mem;

use asked::{Asked, target_of};
use directives::ResponseDirectives;
use freshness::stated_age;
use headers::Headers;
use key::Variants;
use offer::{Offer, Wanted};
use settings::Settings;
use status::Forwarded;
use wasm_host_guest::{
    Action, BodyAction, BodyMode, BodyReading, Config, Framing, LocalResponse, OnRequest, OnResponse, OnResponseBody,
    Piece, Plugin, Request, Response, Result,
    cache::{self, CachedResponse},
    export,
};

/// Headers of a 304 (RFC 9110 15.4.5): what the client updates its copy with.
const OF_304: [&str; 7] = ["cache-control", "content-location", "date", "etag", "expires", "last-modified", "vary"];

struct ResponseCache {
    settings: Settings,
    /// What the request phase leaves for the response.
    plan: Plan,
}

/// What is to happen with the response of this exchange.
#[derive(Default)]
enum Plan {
    #[default]
    Nothing,
    /// It goes on, and says why the upstream was asked.
    Tell(Forwarded),
    /// What is kept of this target goes, when it succeeds.
    Forget(String),
    /// It is kept, if it may be.
    Want(Box<Wanted>),
    /// It is kept, if all of its body comes.
    Keep(Box<Offer>),
}

impl Plugin for ResponseCache {
    fn configure(config: Config) -> Result<Self> {
        let settings: Settings = config.parse()?;
        settings.check()?;
        Ok(Self { settings, plan: Plan::Nothing })
    }
}

impl OnRequest for ResponseCache {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let method = request.method();
        match method.as_str() {
            "GET" | "HEAD" => self.look_for(Asked::by(request, method == "HEAD"), request),
            // Safe (RFC 9110 9.2.1): they change nothing.
            "OPTIONS" | "TRACE" => self.forward(Plan::Tell(Forwarded::Method)),
            _ => self.forward(Plan::Forget(target_of(request))),
        }
    }
}

impl OnResponse for ResponseCache {
    fn on_response(&mut self, response: &Response<'_>) -> Result<Action> {
        let (reading, why) = match mem::take(&mut self.plan) {
            Plan::Nothing | Plan::Keep(_) => return skip(response),
            Plan::Tell(why) => (None, why),
            Plan::Forget(target) => {
                if (200..400).contains(&response.status()) {
                    // What the operator did not grant, the host logs.
                    let _ = cache::delete(&target);
                }
                (None, Forwarded::Method)
            }
            Plan::Want(wanted) => {
                let why = wanted.why;
                (self.plan_to_keep(*wanted, response), why)
            }
        };
        response.read_body(reading.unwrap_or(BodyMode::None))?;
        // A body that is held tells at its end whether it was kept.
        if !matches!(reading, Some(BodyMode::Buffer(_))) {
            response.append_header("cache-status", status::forwarded(&self.settings.name, why, false))?;
        }
        Ok(Action::Continue)
    }
}

impl OnResponseBody for ResponseCache {
    fn response_body(&self) -> BodyReading {
        BodyMode::Buffer(self.settings.max_body).into()
    }

    fn on_response_body(&mut self, response: &Response<'_>, piece: Piece) -> Result<BodyAction> {
        let Plan::Keep(offer) = &mut self.plan else { return Ok(BodyAction::Leave) };
        match piece {
            Piece::Whole(body) => {
                let is_kept = offer.keep(&body);
                let told = status::forwarded(&self.settings.name, offer.wanted.why, is_kept);
                if offer.is_had_already() {
                    return Ok(not_modified(&offer.headers)?.append_header("cache-status", told)?.into());
                }
                response.append_header("cache-status", told)?;
                Ok(BodyAction::Pass)
            }
            Piece::Chunk(bytes) if offer.take(&bytes, self.settings.max_body) => Ok(BodyAction::Pass),
            Piece::End => {
                offer.keep_taken();
                Ok(BodyAction::Pass)
            }
            _ => {
                self.plan = Plan::Nothing;
                Ok(BodyAction::Leave)
            }
        }
    }
}

impl ResponseCache {
    fn look_for(&mut self, asked: Asked, request: &Request<'_>) -> Result<Action> {
        // A cache that cannot be used is none.
        let found = if asked.is_not_for_caches() { None } else { cache::get(&asked.target).ok() };
        let (why, variants) = match found {
            None => (Forwarded::Bypass, None),
            Some(found) => {
                let variants = found.and_then(|(_, value)| serde_json::from_slice::<Variants>(&value).ok());
                match find(&asked, variants.as_ref()) {
                    Ok(found) => return self.answer(&asked, found),
                    Err(why) => (why, variants),
                }
            }
        };
        if asked.directives.only_if_cached {
            return Ok(status::not_cached(&self.settings.name)?.into());
        }
        if matches!(why, Forwarded::Bypass) || asked.is_head {
            return self.forward(Plan::Tell(why));
        }
        if matches!(why, Forwarded::Stale) {
            // A 304 of the upstream would renew nothing: the client's condition is judged by the new response.
            request.remove_header("if-none-match")?;
            request.remove_header("if-modified-since")?;
        }
        let seen = variants.map(|variants| variants.generation);
        self.forward(Plan::Want(Box::new(Wanted { asked, why, seen })))
    }

    fn forward(&mut self, plan: Plan) -> Result<Action> {
        self.plan = plan;
        Ok(Action::Continue)
    }

    fn answer(&mut self, asked: &Asked, found: Found) -> Result<Action> {
        self.plan = Plan::Nothing;
        let Found { cached, headers } = found;
        let hit = cached.hit;
        let answer = if asked.has_already(cached.status, &headers) { not_modified(&headers)? } else { cached.answer };
        let age = stated_age(&headers) + hit.age;
        let answer = answer.header("age", age.as_secs().to_string())?;
        Ok(answer.append_header("cache-status", status::hit(&self.settings.name, hit.is_fresh))?.into())
    }

    /// How the body is read of a response that is kept; none when it is not.
    fn plan_to_keep(&mut self, wanted: Wanted, response: &Response<'_>) -> Option<BodyMode> {
        let offer = Offer::of(wanted, response, &self.settings)?;
        let reading = match offer.length {
            Some(length) if length > u64::from(self.settings.max_body) => return None,
            Some(_) => BodyMode::Buffer(self.settings.max_body),
            // Held, one that turns out to be larger would fail.
            None => BodyMode::Stream(Framing::Chunks),
        };
        self.plan = Plan::Keep(Box::new(offer));
        Some(reading)
    }
}

/// A stored response that answers a request.
struct Found {
    cached: CachedResponse,
    headers: Headers,
}

fn find(asked: &Asked, variants: Option<&Variants>) -> Result<Found, Forwarded> {
    if asked.directives.no_cache {
        return Err(Forwarded::Request);
    }
    let variants = variants.ok_or(Forwarded::UriMiss)?;
    let found = cache::get_response(&variants.key(&asked.target, &asked.headers)).ok().flatten();
    let mut cached = found.ok_or(Forwarded::VaryMiss)?;
    let headers = Headers(mem::take(&mut cached.headers));
    if !asked.may_share(&ResponseDirectives::of(&headers)) {
        return Err(Forwarded::Miss);
    }
    let age = stated_age(&headers) + cached.hit.age;
    if asked.directives.max_age.is_some_and(|max| age > max) {
        return Err(Forwarded::Request);
    }
    if !cached.hit.is_fresh && cached.hit.renew && !asked.directives.only_if_cached {
        return Err(Forwarded::Stale);
    }
    Ok(Found { cached, headers })
}

fn not_modified(headers: &Headers) -> Result<LocalResponse> {
    let mut answer = LocalResponse::new(304)?;
    for (name, value) in &headers.0 {
        if OF_304.contains(&name.as_str()) {
            answer = answer.append_header(name, value)?;
        }
    }
    Ok(answer)
}

fn skip(response: &Response<'_>) -> Result<Action> {
    response.skip_body()?;
    Ok(Action::Continue)
}

export!(ResponseCache: request, response, response_body);
