//! From a file to a checked [`Config`].

use std::path::Path as FilePath;

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Config, ConfigError, OdinWasm, Problem, check,
    tree::{Node, Path, expand},
};

impl Config {
    /// Reads a `.yaml`, `.yml` or `.toml` file, expands environment variables and checks everything.
    ///
    /// Files the config names are not opened here. Relative ones are relative to the working directory.
    pub fn load(file: &FilePath) -> Result<Self, ConfigError> {
        load(file, |config| config)
    }

    /// Reads a file that has nothing but the key `wasm`, as [`load`](Self::load) reads one, into this config.
    pub fn with_odin(self, file: &FilePath) -> Result<Self, ConfigError> {
        load(file, |OdinFile { wasm }| Self { wasm: Some(wasm), ..self })
    }

    /// Reads YAML text; `variables` answers for the environment.
    pub fn from_yaml(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        parse(text, Format::Yaml, variables, |config| config).map_err(|problems| ConfigError { file: None, problems })
    }

    /// Reads TOML text; `variables` answers for the environment.
    pub fn from_toml(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        parse(text, Format::Toml, variables, |config| config).map_err(|problems| ConfigError { file: None, problems })
    }
}

/// Reads a part of the model from JSON; like all problems, those of JSON hold no values. Environment variables are not
/// expanded: who sends a request may not read them.
pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    let json = serde_json::from_slice(json).map_err(|error| format!("not valid JSON: {error}"))?;
    Node::from_json(json).read().map_err(|problem| problem.to_string())
}

#[derive(Clone, Copy)]
enum Format {
    Yaml,
    Toml,
}

/// A file that has nothing but plugins in the words of Odin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OdinFile {
    wasm: OdinWasm,
}

/// Reads a file as `T`, of which `into` makes a config.
fn load<T: DeserializeOwned>(file: &FilePath, into: impl FnOnce(T) -> Config) -> Result<Config, ConfigError> {
    let named = |message| ConfigError::one(Some(file.to_owned()), message);
    let format = match file.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => Format::Yaml,
        Some("toml") => Format::Toml,
        _ => return Err(named("the name must end in .yaml, .yml or .toml".to_owned())),
    };
    let text = std::fs::read_to_string(file).map_err(|error| named(format!("cannot be read: {error}")))?;
    parse(&text, format, &|name| std::env::var(name).ok(), into)
        .map_err(|problems| ConfigError { file: Some(file.to_owned()), problems })
}

fn parse<T: DeserializeOwned>(
    text: &str,
    format: Format,
    variables: &dyn Fn(&str) -> Option<String>,
    into: impl FnOnce(T) -> Config,
) -> Result<Config, Vec<Problem>> {
    let mut root = match format {
        Format::Yaml => Node::from_yaml(text),
        Format::Toml => Node::from_toml(text),
    }
    .map_err(|problem| vec![problem])?;

    let mut problems = Vec::new();
    expand(&mut root, &Path::default(), variables, &mut problems);
    let mut follow_ups = match root.read::<T>() {
        Ok(read) => {
            let mut config = into(read);
            problems.extend(config.execute.fill(variables));
            let found = check::check(&config);
            if problems.is_empty() && found.is_empty() {
                config.join_odin();
                return Ok(config);
            }
            found
        }
        Err(problem) => vec![problem],
    };
    // A value whose variable is missing is not judged as well.
    follow_ups.retain(|problem| problems.iter().all(|known| known.path != problem.path));
    problems.extend(follow_ups.into_iter().map(|problem| {
        let at = problem.at.or_else(|| Some(root.position_of(&problem.path)));
        Problem { at, ..problem }
    }));
    Err(problems)
}
