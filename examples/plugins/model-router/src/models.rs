use serde::Deserialize;

/// Which service has which models. The first entry that fits counts.
#[derive(Deserialize)]
pub(crate) struct Models(Vec<Entry>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    model: Pattern,
    service: String,
}

/// The name of a model, or with a `*` at its end the start of names.
#[derive(Deserialize)]
#[serde(try_from = "String")]
enum Pattern {
    Exact(String),
    Prefix(String),
}

impl Models {
    pub(crate) fn service(&self, model: &str) -> Option<&str> {
        self.0.iter().find(|entry| entry.model.fits(model)).map(|entry| entry.service.as_str())
    }
}

impl Pattern {
    fn fits(&self, model: &str) -> bool {
        match self {
            Self::Exact(name) => model == name,
            Self::Prefix(start) => model.starts_with(start.as_str()),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (start, is_prefix) = text.strip_suffix('*').map_or((text.as_str(), false), |start| (start, true));
        match start {
            _ if start.contains('*') => Err(format!("`model`: `{text}` has a `*` elsewhere than at its end")),
            "" if !is_prefix => Err("`model` is empty".to_owned()),
            _ if is_prefix => Ok(Self::Prefix(start.to_owned())),
            _ => Ok(Self::Exact(text)),
        }
    }
}
