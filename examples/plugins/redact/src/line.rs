//! Masks the strings of one JSON text and leaves every other byte: order, spaces, digits, members of the same name.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::settings::Settings;

/// The text with its secrets masked: none within when it has none, none at all when it is not JSON.
pub(crate) fn mask(text: &str, settings: &Settings) -> Option<Option<String>> {
    // What comes after may rely on the grammar.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut walk = Walk { rest: text, open: Vec::new(), key: None, settings, out: String::new(), changed: false };
    while !walk.rest.is_empty() {
        walk.step()?;
    }
    Some(walk.changed.then_some(walk.out))
}

struct Walk<'a> {
    rest: &'a str,
    open: Vec<Container>,
    /// The key whose value comes next.
    key: Option<Secrecy>,
    settings: &'a Settings,
    out: String,
    changed: bool,
}

/// An object or an array that has begun.
struct Container {
    is_object: bool,
    /// Whether all that is in it is secret.
    secrecy: Secrecy,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    Open,
    Secret,
}

impl<'a> Walk<'a> {
    /// One token, or what lies between tokens. None when a string cannot be read.
    fn step(&mut self) -> Option<()> {
        match self.rest.chars().next()? {
            '"' => self.string()?,
            first @ ('{' | '[') => {
                let secrecy = self.take_secrecy();
                self.open.push(Container { is_object: first == '{', secrecy });
                self.copy(1)?;
            }
            '}' | ']' => {
                self.open.pop();
                self.copy(1)?;
            }
            first if first == '-' || first.is_ascii_digit() => self.number()?,
            first if first.is_ascii_alphabetic() => {
                self.take_secrecy();
                let end = self.rest.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(self.rest.len());
                self.copy(end)?;
            }
            _ => self.copy(1)?,
        }
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        let end = string_end(self.rest)?;
        let token = self.rest.get(..end)?;
        let text: String = serde_json::from_str(token).ok()?;
        let is_key = self.key.is_none() && self.open.last().is_some_and(|container| container.is_object);
        if is_key {
            let is_secret = self.settings.is_secret(&text) || self.inherited() == Secrecy::Secret;
            self.key = Some(if is_secret { Secrecy::Secret } else { Secrecy::Open });
            return self.copy(end);
        }
        let masked = match self.take_secrecy() {
            Secrecy::Secret => Some(Cow::Borrowed(&*self.settings.mask)),
            Secrecy::Open => self.settings.mask_text(&text).map(Cow::Owned),
        };
        match masked {
            Some(masked) => self.put(end, &masked),
            None => self.copy(end),
        }
    }

    /// A number under a secret key becomes the mask, a text.
    fn number(&mut self) -> Option<()> {
        let is_part = |char: char| char.is_ascii_digit() || matches!(char, '-' | '+' | '.' | 'e' | 'E');
        let end = self.rest.find(|char| !is_part(char)).unwrap_or(self.rest.len());
        match self.take_secrecy() {
            Secrecy::Secret => self.put(end, &self.settings.mask),
            Secrecy::Open => self.copy(end),
        }
    }

    /// What the value that begins here is.
    fn take_secrecy(&mut self) -> Secrecy {
        self.key.take().unwrap_or_else(|| self.inherited())
    }

    fn inherited(&self) -> Secrecy {
        self.open.last().map_or(Secrecy::Open, |container| container.secrecy)
    }

    fn copy(&mut self, bytes: usize) -> Option<()> {
        let (token, rest) = self.rest.split_at_checked(bytes)?;
        self.out.push_str(token);
        self.rest = rest;
        Some(())
    }

    /// Puts a text in the place of a token.
    fn put(&mut self, bytes: usize, text: &str) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        self.out.push_str(&serde_json::to_string(text).ok()?);
        self.changed = true;
        Some(())
    }
}

/// Where the string at the start of a text ends, its closing quote included.
fn string_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    Some(end + 2)
}
