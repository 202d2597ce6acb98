use serde::Deserialize;

/// Where in a document: a JSON pointer (RFC 6901) to anything but the document itself.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pointer {
    pub(crate) parents: Vec<String>,
    pub(crate) last: String,
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(path) = text.strip_prefix('/') else {
            return Err(format!("`{text}` is not a JSON pointer to a part of a document: it starts with `/`"));
        };
        let mut parents = path.split('/').map(unescaped).collect::<Option<Vec<_>>>();
        let last = parents.as_mut().and_then(Vec::pop);
        parents
            .zip(last)
            .map(|(parents, last)| Self { parents, last })
            .ok_or_else(|| format!("`{text}`: `~` is written `~0` in a JSON pointer, and `/` in a name `~1`"))
    }
}

fn unescaped(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(1)?;
        name.push(match escaped {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        name.push_str(rest);
    }
    Some(name)
}
