//! What is wrong with a config, in words an operator can act on.

use std::{fmt, path::PathBuf};

use super::tree::{Path, Position};

/// A config that cannot be used: all its problems at once.
#[derive(Debug)]
pub struct ConfigError {
    pub(crate) file: Option<PathBuf>,
    pub(crate) problems: Vec<Problem>,
}

/// One thing to change.
#[derive(Clone, Debug)]
pub struct Problem {
    pub(crate) path: Path,
    pub(crate) at: Option<Position>,
    pub(crate) message: String,
}

impl ConfigError {
    /// Every problem that was found, at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn one(file: Option<PathBuf>, message: String) -> Self {
        Self { file, problems: vec![Problem { path: Path::default(), at: None, message }] }
    }
}

impl Problem {
    /// Where in the model, as `routes[2].service`; empty when the whole file is meant.
    pub fn path(&self) -> String {
        self.path.to_string()
    }

    /// Line and column in the file, from 1.
    pub fn position(&self) -> Option<(u64, u64)> {
        self.at.map(|at| (at.line, at.column))
    }

    /// What is wrong and what to write instead; never holds a value out of the environment.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    /// One line a problem: `gateway.yaml:3:5: routes[0].service: no service is called …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if let Some(file) = &self.file {
                write!(f, "{}:", file.display())?;
                if let Some((line, column)) = problem.position() {
                    write!(f, "{line}:{column}:")?;
                }
                write!(f, " ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.segments().is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The known name closest to a misspelt one, if any is close.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(name.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
