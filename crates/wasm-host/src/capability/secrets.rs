use std::{collections::HashMap, fmt, sync::Arc};

/// Bytes that one secret may have.
pub(crate) const SECRET_BYTES: usize = 64 << 10;
/// Bytes of the name of a secret.
const NAME_BYTES: usize = 253;

/// A value that is nobody's to see but the plugin's that was given it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps a value.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// Whether a secret can have this name: letters, digits, `-`, `_` and `.`, of which the last is not the first.
    pub fn is_name(name: &str) -> bool {
        is_secret_name(name)
    }

    /// The value itself, to be put where it is needed and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why there is no value of a secret. Says where it was looked for, and nothing of what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Nobody knows a secret of this name.
    #[error("there is no such secret; looked for {}", places(looked))]
    Unknown {
        /// Every place that was looked at.
        looked: Vec<String>,
    },
    /// It is not a name: letters, digits, `-`, `_` and `.`, of which the last is not the first.
    #[error("this is no name of a secret: it has letters, digits, `-`, `_` and `.`, and does not begin with a `.`")]
    InvalidName,
    /// Its place is there and cannot be read.
    #[error("{place} cannot be read: {reason}")]
    Unreadable {
        /// Where it is.
        place: String,
        /// What the system said.
        reason: String,
    },
    /// Its place has nothing in it.
    #[error("{place} is empty")]
    Empty {
        /// Where it is.
        place: String,
    },
    /// Its value is longer than 64 KiB.
    #[error("{place} has more than {SECRET_BYTES} bytes")]
    TooLarge {
        /// Where it is.
        place: String,
    },
    /// Its value is not text in UTF-8.
    #[error("{place} is not UTF-8 text")]
    NotText {
        /// Where it is.
        place: String,
    },
}

fn places(looked: &[String]) -> String {
    if looked.is_empty() { "it nowhere: the host was given no secrets".to_owned() } else { looked.join(" and ") }
}

/// Where the values of `secret://name` come from.
///
/// Asked when a plugin is loaded, on one of tokio's blocking threads: it may read files. It is never asked while a request
/// is served.
pub trait SecretSource: Send + Sync + fmt::Debug {
    /// The value of a secret as it is now. An error must hold nothing of it.
    fn resolve(&self, name: &str) -> Result<Secret, SecretError>;
}

impl<S: SecretSource + ?Sized> SecretSource for Arc<S> {
    fn resolve(&self, name: &str) -> Result<Secret, SecretError> {
        (**self).resolve(name)
    }
}

/// The default source: it knows none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoSecrets;

impl SecretSource for NoSecrets {
    fn resolve(&self, _: &str) -> Result<Secret, SecretError> {
        Err(SecretError::Unknown { looked: Vec::new() })
    }
}

/// Secrets that the embedder holds, by name.
#[derive(Clone, Debug, Default)]
pub struct SecretMap(HashMap<String, Secret>);

impl<N: Into<String>> FromIterator<(N, Secret)> for SecretMap {
    fn from_iter<I: IntoIterator<Item = (N, Secret)>>(secrets: I) -> Self {
        Self(secrets.into_iter().map(|(name, secret)| (name.into(), secret)).collect())
    }
}

impl SecretSource for SecretMap {
    fn resolve(&self, name: &str) -> Result<Secret, SecretError> {
        let unknown = || SecretError::Unknown { looked: vec!["it among the host's own".to_owned()] };
        self.0.get(name).cloned().ok_or_else(unknown)
    }
}

/// Asks one source after the other until one knows the secret.
#[derive(Debug, Default)]
pub struct FirstSecret(Vec<Box<dyn SecretSource>>);

impl FirstSecret {
    /// Adds a source behind those there are.
    #[must_use]
    pub fn or(mut self, source: impl SecretSource + 'static) -> Self {
        self.0.push(Box::new(source));
        self
    }
}

impl SecretSource for FirstSecret {
    fn resolve(&self, name: &str) -> Result<Secret, SecretError> {
        let mut places = Vec::new();
        for source in &self.0 {
            match source.resolve(name) {
                Err(SecretError::Unknown { looked }) => places.extend(looked),
                known => return known,
            }
        }
        Err(SecretError::Unknown { looked: places })
    }
}

/// Whether a secret can have this name. It names a file in a directory at most: never another directory, nor a file that
/// is hidden.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=NAME_BYTES).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show() {
        let secret = Secret::new("s3cr3t");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "Secret(…) Some(\n    Secret(…),\n)");
        let map: SecretMap = [("a", secret)].into_iter().collect();
        assert!(!format!("{map:?}").contains("s3cr3t"));
    }

    #[test]
    fn names_stay_in_their_directory() {
        for name in ["a", "db-password", "TOKEN_2", "tls.key", &"n".repeat(253)] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["", ".", "..", "..data", ".hidden", "a/b", "../a", "a\0", "a b", "ä", "a\\b", &"n".repeat(254)] {
            assert!(!is_secret_name(name), "{name:?}");
        }
    }

    #[test]
    fn the_first_source_that_knows_it_answers() {
        let source = FirstSecret::default()
            .or(SecretMap::from_iter([("a", Secret::new("1"))]))
            .or(SecretMap::from_iter([("a", Secret::new("2")), ("b", Secret::new("3"))]));
        assert_eq!(source.resolve("a"), Ok(Secret::new("1")));
        assert_eq!(source.resolve("b"), Ok(Secret::new("3")));
        let unknown = source.resolve("c").map_err(|error| error.to_string());
        let reason = "there is no such secret; looked for it among the host's own and it among the host's own";
        assert_eq!(unknown, Err(reason.to_owned()));
        let none = NoSecrets.resolve("a").map_err(|error| error.to_string());
        assert_eq!(
            none,
            Err("there is no such secret; looked for it nowhere: the host was given no secrets".to_owned())
        );
    }
}
