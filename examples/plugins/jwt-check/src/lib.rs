//! Lets a request with a valid JSON Web Token pass, and hands claims on to the upstream.

mod settings;

use http::HeaderName;
use jsonwebtoken::{DecodingKey, Validation, decode, errors::ErrorKind};
use serde_json::{Map, Value};
use settings::Settings;
use wasm_host_guest::{Action, Config, LocalResponse, OnRequest, Plugin, Request, Result, config_schema, export};

struct JwtCheck {
    key: DecodingKey,
    validation: Validation,
    forward_claims: Vec<(String, HeaderName)>,
}

impl Plugin for JwtCheck {
    fn configure(config: Config) -> Result<Self> {
        let settings: Settings = config.parse()?;
        Ok(Self { key: settings.key()?, validation: settings.validation(), forward_claims: settings.forwarded()? })
    }
}

impl OnRequest for JwtCheck {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        // What the upstream takes for a claim is a claim, even when the token has none of that name.
        for (_, header) in &self.forward_claims {
            request.remove_header(header.as_str())?;
        }
        match self.check(request) {
            Ok(()) => Ok(Action::Continue),
            Err(refusal) => refusal.into_action(),
        }
    }
}

/// Why a request may not pass.
enum Refusal {
    NoToken,
    Invalid(&'static str),
}

impl JwtCheck {
    fn check(&self, request: &Request<'_>) -> Result<(), Refusal> {
        let authorizations = request.header_values("authorization");
        let authorization = match authorizations.as_slice() {
            [] => return Err(Refusal::NoToken),
            [one] => one.to_str().ok_or(Refusal::Invalid("the authorization is not text"))?,
            _ => return Err(Refusal::Invalid("there are several authorizations")),
        };
        let token = match authorization.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_matches(' '),
            _ => return Err(Refusal::NoToken),
        };
        let claims = self.claims(token)?;
        for (claim, header) in &self.forward_claims {
            let Some(value) = claims.get(claim) else { continue };
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            request
                .set_header(header.as_str(), value)
                .map_err(|_| Refusal::Invalid("a claim does not fit a header"))?;
        }
        Ok(())
    }

    fn claims(&self, token: &str) -> Result<Map<String, Value>, Refusal> {
        let token = decode(token, &self.key, &self.validation).map_err(|error| {
            Refusal::Invalid(match error.kind() {
                ErrorKind::ExpiredSignature => "the token has expired",
                ErrorKind::ImmatureSignature => "the token is not valid yet",
                ErrorKind::InvalidIssuer => "the token is from another issuer",
                ErrorKind::InvalidAudience => "the token is for another audience",
                ErrorKind::InvalidAlgorithm => "the token has another algorithm",
                ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim",
                _ => "the token is malformed or its signature is wrong",
            })
        })?;
        // RFC 7515 4.1.11: what the issuer calls critical must be understood, and nothing of it is.
        match token.header.crit {
            None => Ok(token.claims),
            Some(_) => Err(Refusal::Invalid("the token has critical extensions")),
        }
    }
}

impl Refusal {
    /// The answer, with the challenge of RFC 6750.
    fn into_action(self) -> Result<Action> {
        let (challenge, error) = match self {
            Self::NoToken => ("Bearer".to_owned(), "a bearer token is needed"),
            Self::Invalid(why) => (format!("Bearer error=\"invalid_token\", error_description=\"{why}\""), why),
        };
        let response = LocalResponse::new(401)?
            .header("www-authenticate", challenge)?
            .header("content-type", "application/json")?
            .body(format!(r#"{{"error":"{error}"}}"#))?;
        Ok(response.into())
    }
}

config_schema!("../schema.json");
export!(JwtCheck: request);
