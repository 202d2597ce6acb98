//! The texts of a request that can carry an attack, with what hides one undone.

use serde_json::Value;

use crate::Request;

/// Where each text is from, and the text.
pub struct Texts(pub Vec<(String, String)>);

/// Headers that say what the client likes, in words of their own.
const PLAIN_HEADERS: [&str; 6] =
    ["accept", "accept-encoding", "accept-language", "user-agent", "content-type", "if-none-match"];

impl Texts {
    pub fn of(request: &Request) -> Self {
        let mut texts = Self(Vec::new());
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        texts.add("path", path);
        texts.add_form("query", query);
        for (name, value) in &request.headers {
            if !PLAIN_HEADERS.contains(&name.as_str()) {
                texts.add(&format!("header {name}"), value);
            }
        }
        let content_type = request.header("content-type").unwrap_or_default();
        match serde_json::from_str(&request.body) {
            Ok(json) if content_type.contains("json") => texts.add_json("body", &json),
            _ if content_type.contains("x-www-form-urlencoded") => texts.add_form("body", &request.body),
            _ => texts.add("body", &request.body),
        }
        texts
    }

    fn add(&mut self, location: &str, text: &str) {
        // A word or a number is no attack.
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.0.push((location.to_owned(), plain(text)));
        }
    }

    fn add_form(&mut self, location: &str, form: &str) {
        for pair in form.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.add(location, &name.replace('+', " "));
            self.add(location, &value.replace('+', " "));
        }
    }

    fn add_json(&mut self, location: &str, json: &Value) {
        match json {
            Value::String(text) => self.add(location, text),
            Value::Array(values) => values.iter().for_each(|value| self.add_json(location, value)),
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                self.add(location, key);
                self.add_json(location, value);
            }),
            _ => {}
        }
    }
}

/// A text in lower case, without percent-encoding, however often it was put on, and without entities of HTML.
fn plain(text: &str) -> String {
    const ROUNDS: usize = 3;
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let decoded = percent_decoded(&text);
        if decoded == text {
            break;
        }
        text = decoded;
    }
    without_entities(&text).to_lowercase()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = (byte == b'%').then(|| after.get(..2)).flatten();
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    let text = overlong(&bytes);
    String::from_utf8_lossy(&text).into_owned()
}

/// Dots and slashes in two bytes, as no encoder of UTF-8 writes them.
fn overlong(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first()) {
            (0xc0 | 0xc1, Some(&low @ 0x80..=0xbf)) => {
                kept.push(((byte & 1) << 6) | (low & 0x3f));
                rest = &after[1..];
            }
            _ => kept.push(byte),
        }
    }
    kept
}

fn without_entities(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        let (before, entity) = rest.split_at(start);
        plain.push_str(before);
        let end = entity.char_indices().take(10).find(|(_, character)| *character == ';').map(|(end, _)| end);
        match end.and_then(|end| Some((end, entity_of(&entity[1..end])?))) {
            Some((end, character)) => {
                plain.push(character);
                rest = &entity[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &entity[1..];
            }
        }
    }
    plain + rest
}

fn entity_of(name: &str) -> Option<char> {
    let number = |digits: &str, radix| char::from_u32(u32::from_str_radix(digits, radix).ok()?);
    match name.to_ascii_lowercase().as_str() {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "amp" => Some('&'),
        "colon" => Some(':'),
        "lpar" => Some('('),
        "tab" => Some('\t'),
        "newline" => Some('\n'),
        name => match name.strip_prefix('#')?.strip_prefix('x') {
            Some(digits) => number(digits, 16),
            None => number(name.strip_prefix('#')?, 10),
        },
    }
}
