//! Lets a request with a known API key pass, and tells the upstream whose key it is.

use http::HeaderName;
use serde::Deserialize;
use subtle::ConstantTimeEq;
use wasm_host_guest::{
    Action, Config, Error, HeaderValue, LocalResponse, OnRequest, Plugin, Request, Result, config_schema, export,
    properties,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiKeyAuth {
    #[serde(default = "default_header")]
    header: String,
    keys: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: String,
    key: String,
}

impl Plugin for ApiKeyAuth {
    fn configure(config: Config) -> Result<Self> {
        let plugin: Self = config.parse()?;
        HeaderName::try_from(&plugin.header)
            .map_err(|_| Error::new(format!("`header`: `{}` is not a header name", plugin.header)))?;
        Ok(plugin)
    }
}

impl OnRequest for ApiKeyAuth {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let presented = request.header(&self.header).map(HeaderValue::into_bytes).unwrap_or_default();
        let Some(key) = self.keys.iter().find(|key| key.key.as_bytes().ct_eq(&presented).into()) else {
            return self.refuse();
        };
        properties::set("consumer", &key.name)?;
        request.set_header("x-consumer", &key.name)?;
        request.remove_header(&self.header)?;
        Ok(Action::Continue)
    }
}

impl ApiKeyAuth {
    fn refuse(&self) -> Result<Action> {
        let response = LocalResponse::new(401)?
            .header("www-authenticate", format!("ApiKey header=\"{}\"", self.header))?
            .header("content-type", "application/json")?
            .body(r#"{"error":"a valid API key is needed"}"#)?;
        Ok(response.into())
    }
}

fn default_header() -> String {
    "x-api-key".into()
}

config_schema!("../schema.json");
export!(ApiKeyAuth: request);
