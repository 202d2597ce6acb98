use serde::Deserialize;
use serde_json::{Value, json};
use wasm_host_guest::HeaderValue;

/// What a client can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Json,
}

impl Format {
    /// HTML for who names it in its accept header, as browsers do.
    pub(crate) fn accepted(accept: &[HeaderValue]) -> Self {
        let names_html = |value: &HeaderValue| {
            let ranges = value.to_str().unwrap_or_default().split(',');
            ranges.filter_map(|range| range.split(';').next()).any(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
        };
        if accept.iter().any(names_html) { Self::Html } else { Self::Json }
    }
}

/// What a page tells.
pub(crate) struct Facts<'a> {
    pub(crate) status: u16,
    pub(crate) message: &'a str,
    pub(crate) id: &'a str,
}

impl Facts<'_> {
    pub(crate) fn to_json(&self) -> Value {
        let Self { status, message, id } = self;
        json!({ "error": message, "status": status, "id": id })
    }
}

/// A page with places for `{{status}}`, `{{message}}` and `{{id}}`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Status,
    Message,
    Id,
}

impl Template {
    pub(crate) fn fill(&self, facts: &Facts<'_>) -> String {
        let mut page = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => page.push_str(text),
                Part::Status => page.push_str(&facts.status.to_string()),
                Part::Message => push_escaped(&mut page, facts.message),
                Part::Id => push_escaped(&mut page, facts.id),
            }
        }
        page
    }
}

impl Default for Template {
    fn default() -> Self {
        let text = |text: &str| Part::Text(text.to_owned());
        Self(vec![
            text("<!doctype html>\n<meta charset=\"utf-8\">\n<title>"),
            Part::Message,
            text("</title>\n<h1>"),
            Part::Message,
            text("</h1>\n<p>Status "),
            Part::Status,
            text(", request <code>"),
            Part::Id,
            text("</code></p>\n"),
        ])
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or("a `{{` has no closing `}}`")?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(match name.trim() {
                "status" => Part::Status,
                "message" => Part::Message,
                "id" => Part::Id,
                _ => return Err(format!("no place `{name}`; there are `status`, `message` and `id`")),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

fn push_escaped(page: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            char => page.push(char),
        }
    }
}
