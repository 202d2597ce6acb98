use std::{collections::BTreeMap, str::FromStr};

use http::{HeaderName, HeaderValue, Method};
use schemars::JsonSchema;
use serde::Deserialize;
use wasm_host::{PathRegex, PathRule, Scope};

/// Which requests of its routes a plugin is for: one of the paths, one of the methods, one of the services, and all of
/// the headers, as far as they are given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PluginMatch {
    /// Exactly one of these paths.
    pub paths: Vec<String>,
    /// A path of these or below: `/api` is for `/api` and `/api/x`, not for `/apix`.
    pub path_prefixes: Vec<String>,
    /// Regular expressions, each for any part of the path unless it says otherwise by `^` and `$`.
    pub path_regexes: Vec<String>,
    /// Any of these methods.
    pub methods: Vec<String>,
    /// Header name to exact value; `*` for any value.
    pub headers: BTreeMap<String, String>,
    /// The route leads to one of these services.
    pub services: Vec<String>,
}

/// A place in a [`PluginMatch`], and what is wrong there.
pub(super) type MatchProblem = (&'static str, usize, String);

impl PluginMatch {
    /// The requests.
    pub(crate) fn scope(&self) -> Result<Scope, wasm_host::Error> {
        let exact = self.paths.iter().map(|path| Ok(PathRule::Exact(path.clone())));
        let prefixes = self.path_prefixes.iter().map(|path| Ok(PathRule::Prefix(path.clone())));
        let regexes = self.path_regexes.iter().map(|text| PathRegex::new(text).map(PathRule::Regex));
        let headers = self.headers.iter().filter_map(|(name, value)| header(name, value));
        Ok(Scope {
            paths: exact.chain(prefixes).chain(regexes).collect::<Result<_, _>>()?,
            methods: self.methods.iter().filter_map(|method| Method::from_bytes(method.as_bytes()).ok()).collect(),
            headers: headers.collect(),
            services: self.services.clone(),
        })
    }

    /// All that is wrong in it.
    pub(super) fn problems(&self) -> impl Iterator<Item = MatchProblem> + '_ {
        let absolute = [("paths", &self.paths), ("path_prefixes", &self.path_prefixes)];
        let paths = absolute.into_iter().flat_map(|(key, paths)| {
            let wrong = paths.iter().enumerate().filter(|(_, path)| !path.starts_with('/'));
            wrong.map(move |(index, _)| (key, index, "a path starts with `/`".to_owned()))
        });
        let regexes = self.path_regexes.iter().enumerate().filter_map(|(index, text)| {
            let error = PathRegex::new(text).err()?;
            Some(("path_regexes", index, error.to_string()))
        });
        let is_method = |method: &str| Method::from_bytes(method.as_bytes()).is_ok();
        let methods = self.methods.iter().enumerate().filter(move |(_, method)| {
            !is_method(method) || method.chars().any(|character| character.is_ascii_lowercase())
        });
        let methods =
            methods.map(|(index, _)| ("methods", index, "a method is a word in capitals, such as `GET`".to_owned()));
        let headers = self.headers.iter().enumerate().filter(|(_, (name, value))| header(name, value).is_none());
        let headers =
            headers.map(|(index, (name, _))| ("headers", index, format!("`{name}` or its value is not a header's")));
        paths.chain(regexes).chain(methods).chain(headers)
    }
}

fn header(name: &str, value: &str) -> Option<(HeaderName, Option<HeaderValue>)> {
    let name = HeaderName::from_str(name).ok()?;
    match value {
        "*" => Some((name, None)),
        value => Some((name, Some(HeaderValue::from_str(value).ok()?))),
    }
}
