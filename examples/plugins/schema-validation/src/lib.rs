//! Answers 400 to a request whose query parameters or headers do not fit a JSON Schema.

mod instance;
mod schema;

use schema::Schema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasm_host_guest::{Action, Config, Error, LocalResponse, OnRequest, Plugin, Request, Result, export};

/// What a client is told of at once.
const MAX_VIOLATIONS: usize = 20;

struct SchemaValidation {
    query: Option<Schema>,
    headers: Option<Schema>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    query: Option<Value>,
    headers: Option<Value>,
}

/// One thing that is wrong with a request. It never repeats what the client sent.
#[derive(Serialize)]
struct Violation {
    r#in: &'static str,
    pointer: String,
    message: String,
}

impl Plugin for SchemaValidation {
    fn configure(config: Config) -> Result<Self> {
        let Settings { query, headers } = config.parse()?;
        let headers = headers.map(|schema| Schema::compile("headers", schema)).transpose()?;
        if let Some(name) = headers.as_ref().and_then(Schema::name_in_upper_case) {
            return Err(Error::new(format!("`headers`: `{name}` matches no header, names are in lower case")));
        }
        Ok(Self { query: query.map(|schema| Schema::compile("query", schema)).transpose()?, headers })
    }
}

impl OnRequest for SchemaValidation {
    fn on_request(&mut self, request: &Request<'_>) -> Result<Action> {
        let mut violations = Vec::new();
        if let Some(schema) = &self.query {
            violations.extend(schema.violations(instance::of_query(&request.query().unwrap_or_default(), schema)));
        }
        if let Some(schema) = &self.headers {
            violations.extend(schema.violations(instance::of_headers(request.headers(), schema)));
        }
        if violations.is_empty() {
            return Ok(Action::Continue);
        }
        violations.truncate(MAX_VIOLATIONS);
        let body = serde_json::json!({ "error": "the request does not fit its schema", "violations": violations });
        let response = LocalResponse::new(400)?.header("content-type", "application/json")?.body(body.to_string())?;
        Ok(response.into())
    }
}

export!(SchemaValidation: request);
