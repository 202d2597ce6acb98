//! `GET /api/explain?method=&host=&path=`: what a request would meet.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    percent,
    reply::Reply,
    routes::{chain_of, describe, describe_service},
};
use crate::{
    gateway::Gateway,
    router::{Found, Question},
    server::Shared,
};

/// The route, service and chain a request would meet, or why it meets none. `header=name:value` may be repeated.
pub(super) fn explain(shared: &Shared, request: &Request<Incoming>) -> Reply {
    match Asked::parse(request.uri().query().unwrap_or_default()) {
        Ok(asked) => Reply::json(&answer(&shared.gateway(), &asked)),
        Err(reason) => Reply::error(StatusCode::BAD_REQUEST, &reason),
    }
}

struct Asked {
    method: Method,
    host: String,
    path: String,
    headers: HeaderMap,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut asked =
            Self { method: Method::GET, host: String::new(), path: "/".to_owned(), headers: HeaderMap::new() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent::decode(value).ok_or_else(|| format!("`{key}` is not percent-encoded UTF-8"))?;
            match key {
                "method" => {
                    asked.method = Method::from_bytes(value.as_bytes()).map_err(|_| "`method` is not a method")?;
                }
                "host" => asked.host = without_port(&value).to_ascii_lowercase(),
                "path" if value.starts_with('/') => {
                    asked.path = value.split('?').next().unwrap_or_default().to_owned();
                }
                "path" => return Err("`path` must start with `/`".to_owned()),
                "header" => asked.add_header(&value)?,
                _ => return Err(format!("unknown parameter `{key}`; known: method, host, path, header")),
            }
        }
        Ok(asked)
    }

    fn add_header(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text.split_once(':').ok_or("`header` is written name:value")?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| "`header` has an invalid name")?;
        let value = HeaderValue::try_from(value.trim()).map_err(|_| "`header` has an invalid value")?;
        self.headers.append(name, value);
        Ok(())
    }
}

fn answer(gateway: &Gateway, asked: &Asked) -> Value {
    let question = Question { method: &asked.method, host: &asked.host, path: &asked.path, headers: &asked.headers };
    match gateway.router.find(question) {
        Found::Route(index) => match gateway.routes.get(index) {
            Some(route) => json!({
                "matched": true,
                "route": describe(route),
                "service": describe_service(&route.service),
                "chain": chain_of(route),
            }),
            None => none(StatusCode::NOT_FOUND, "the route has no service".to_owned()),
        },
        Found::MethodNotAllowed(allowed) => {
            let allowed: Vec<_> = allowed.iter().map(Method::as_str).collect();
            let reason = format!("host and path match, but only for {}", allowed.join(", "));
            none(StatusCode::METHOD_NOT_ALLOWED, reason)
        }
        Found::Nothing => none(StatusCode::NOT_FOUND, why_nothing(gateway, asked)),
    }
}

fn none(status: StatusCode, reason: String) -> Value {
    json!({ "matched": false, "status": status.as_u16(), "reason": reason })
}

/// Which part of the request stands in the way: asks again with each part left out of the rules.
fn why_nothing(gateway: &Gateway, asked: &Asked) -> String {
    let near = gateway.routes.iter().find(|route| {
        let mut relaxed = route.matches.clone();
        relaxed.headers.clear();
        relaxed.methods.clear();
        let mut builder = crate::router::Router::builder();
        let question =
            Question { method: &asked.method, host: &asked.host, path: &asked.path, headers: &asked.headers };
        builder.add(&relaxed, 0).is_ok() && builder.build().find(question) == Found::Route(0)
    });
    match near {
        Some(route) => format!("host and path match route `{}`, but not its headers", route.name),
        None => "no route matches host and path".to_owned(),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}
