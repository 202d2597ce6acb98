//! Sends a request to the service that has the model its JSON body names.

mod models;
mod scan;

use models::Models;
use scan::{Found, find_text};
use serde::Deserialize;
use serde_json::json;
use wasm_host_guest::{
    BodyAction, BodyMode, BodyReading, Config, Error, LocalResponse, OnRequestBody, Piece, Plugin, Request, Result,
    export, upstream,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelRouter {
    models: Models,
    /// Where to with other models; none: where the route leads.
    default: Option<String>,
    #[serde(default)]
    unknown: Unknown,
    /// Bytes in which the model must be named.
    #[serde(default = "default_peek")]
    peek: u32,
}

/// What happens to a request whose model is not in the list, or that names none.
#[derive(Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Unknown {
    #[default]
    Pass,
    Refuse,
}

impl Plugin for ModelRouter {
    fn configure(config: Config) -> Result<Self> {
        let plugin: Self = config.parse()?;
        match (plugin.peek, &plugin.default, &plugin.unknown) {
            (0, ..) => Err(Error::new("`peek` is 0: no model can be seen")),
            (_, Some(_), Unknown::Refuse) => Err(Error::new("`default` is never used when `unknown` is `refuse`")),
            _ => Ok(plugin),
        }
    }
}

impl OnRequestBody for ModelRouter {
    fn request_body(&self) -> BodyReading {
        BodyMode::Peek(self.peek).decoded()
    }

    fn on_request_body(&mut self, _: &Request<'_>, piece: Piece) -> Result<BodyAction> {
        let Piece::Start { bytes, complete } = piece else { return Ok(BodyAction::Pass) };
        if bytes.is_empty() {
            return Ok(BodyAction::Pass);
        }
        let found = match find_text(&bytes, "model") {
            Found::Cut if complete => Found::Nothing,
            found => found,
        };
        match (&found, self.found_service(&found)) {
            (_, Some(service)) => self.choose(service),
            (_, None) if self.unknown == Unknown::Pass => Ok(BodyAction::Pass),
            (Found::Text(_), None) => refusal("no service has this model"),
            (Found::Nothing, None) => refusal("the body is not JSON with a `model`"),
            (Found::Cut, None) => refusal("the `model` is not among the first bytes of the body"),
        }
    }
}

impl ModelRouter {
    fn found_service(&self, found: &Found) -> Option<&str> {
        let known = match found {
            Found::Text(model) => self.models.service(model),
            Found::Nothing | Found::Cut => None,
        };
        known.or(self.default.as_deref())
    }

    fn choose(&self, service: &str) -> Result<BodyAction> {
        match upstream::choose(service) {
            Ok(()) => Ok(BodyAction::Pass),
            Err(error) => Err(Error::new(format!("`{service}`: {}", Error::from(error)))),
        }
    }
}

fn refusal(error: &str) -> Result<BodyAction> {
    Ok(LocalResponse::new(400)?.json(&json!({ "error": error }))?.into())
}

fn default_peek() -> u32 {
    4096
}

export!(ModelRouter: request_body);
