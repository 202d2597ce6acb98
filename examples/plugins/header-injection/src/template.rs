use serde::Deserialize;
use wasm_host_guest::{Error, HeaderValue, exchange};

/// A header value with placeholders, for example `for ${client_address}`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Template(Vec<Part>);

enum Part {
    Text(String),
    Fact(fn() -> Option<String>),
}

impl Template {
    /// The value for the exchange at hand. A fact that the host does not know is empty.
    pub(crate) fn fill(&self) -> String {
        let mut value = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => value.push_str(text),
                Part::Fact(fact) => value.push_str(&fact().unwrap_or_default()),
            }
        }
        value
    }
}

impl TryFrom<String> for Template {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        HeaderValue::try_from(text.clone())?;
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| Error::new(format!("`{text}` has a `${{` without a closing `}}`")))?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Fact(fact(name)?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

fn fact(name: &str) -> Result<fn() -> Option<String>, Error> {
    match name {
        "id" => Ok(|| Some(exchange::id())),
        "route" => Ok(exchange::route),
        "service" => Ok(exchange::service),
        "client_address" => Ok(exchange::client_address),
        _ => Err(Error::new(format!(
            "no placeholder `${{{name}}}`; there are ${{id}}, ${{route}}, ${{service}}, ${{client_address}}"
        ))),
    }
}
