//! From a file to a checked [`Config`].

use std::path::Path as FilePath;

use serde::de::DeserializeOwned;

use super::{
    Config, ConfigError, Problem, check,
    tree::{Node, Path, expand},
};

impl Config {
    /// Reads a `.yaml`, `.yml` or `.toml` file, expands environment variables and checks everything.
    ///
    /// Files the config names are not opened here. Relative ones are relative to the working directory.
    pub fn load(file: &FilePath) -> Result<Self, ConfigError> {
        let named = |message| ConfigError::one(Some(file.to_owned()), message);
        let format = match file.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => Format::Yaml,
            Some("toml") => Format::Toml,
            _ => return Err(named("the name must end in .yaml, .yml or .toml".to_owned())),
        };
        let text = std::fs::read_to_string(file).map_err(|error| named(format!("cannot be read: {error}")))?;
        parse(&text, format, &|name| std::env::var(name).ok())
            .map_err(|problems| ConfigError { file: Some(file.to_owned()), problems })
    }

    /// Reads YAML text; `variables` answers for the environment.
    pub fn from_yaml(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        parse(text, Format::Yaml, variables).map_err(|problems| ConfigError { file: None, problems })
    }

    /// Reads TOML text; `variables` answers for the environment.
    pub fn from_toml(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        parse(text, Format::Toml, variables).map_err(|problems| ConfigError { file: None, problems })
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

fn parse(text: &str, format: Format, variables: &dyn Fn(&str) -> Option<String>) -> Result<Config, Vec<Problem>> {
    let mut root = match format {
        Format::Yaml => Node::from_yaml(text),
        Format::Toml => Node::from_toml(text),
    }
    .map_err(|problem| vec![problem])?;

    let mut problems = Vec::new();
    expand(&mut root, &Path::default(), variables, &mut problems);
    let config = root.read::<Config>().map(|mut config| {
        problems.extend(config.execute.fill(variables));
        config
    });
    let mut follow_ups = match config {
        Ok(config) if problems.is_empty() => {
            let found = check::check(&config);
            if found.is_empty() {
                return Ok(config);
            }
            found
        }
        Ok(config) => check::check(&config),
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
