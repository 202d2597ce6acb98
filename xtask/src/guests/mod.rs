//! Guests from source: one nested cargo call a set of Rust ones, one call of the compiler a C one.

mod assembly_script;
mod c;
mod tool;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

pub use self::{
    assembly_script::{AssemblyScriptGuest, build_assembly_script},
    c::{CGuest, build_c},
    tool::build_tool,
};

/// A set of guests: a cargo workspace of its own, built for one target.
#[derive(Clone, Copy, Debug)]
pub struct GuestSet<'a> {
    /// The directory of the workspace's `Cargo.toml`.
    pub workspace: &'a Path,
    /// The target triple.
    pub target: &'a str,
    /// What of it.
    pub pick: Pick<'a>,
}

/// Which guests of a workspace are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick<'a> {
    /// Its packages.
    Packages,
    /// The examples of its one package.
    Examples,
    /// One example of its one package.
    Example(&'a str),
}

/// Why guests could not be built.
#[derive(Debug)]
pub enum BuildError {
    /// cargo could not be started, or its output not be read.
    Io(io::Error),
    /// cargo failed; its messages say why.
    Failed(ExitStatus),
    /// Another tool is missing or failed.
    Tool(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot build guests: {error}"),
            Self::Failed(status) => write!(f, "cargo failed to build guests ({status})"),
            Self::Tool(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for BuildError {}

impl From<io::Error> for BuildError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Builds a set of guests in release mode, and lists their files by name.
pub fn build(set: GuestSet<'_>, target_dir: &Path) -> Result<Vec<(String, PathBuf)>, BuildError> {
    let mut cargo = nested_build(target_dir);
    cargo.args(["--release", "--target", set.target]);
    match set.pick {
        Pick::Packages => {}
        Pick::Examples => drop(cargo.arg("--examples")),
        Pick::Example(name) => drop(cargo.args(["--example", name])),
    }
    let status = cargo.current_dir(set.workspace).status()?;
    if !status.success() {
        return Err(BuildError::Failed(status));
    }
    let release = target_dir.join(set.target).join("release");
    match set.pick {
        Pick::Packages => list(&release),
        Pick::Examples => list(&release.join("examples")),
        Pick::Example(name) => {
            Ok(list(&release.join("examples"))?.into_iter().filter(|(built, _)| built == name).collect())
        }
    }
}

/// A call of cargo that builds a workspace of its own.
fn nested_build(target_dir: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet"]).arg("--target-dir").arg(target_dir);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_the_outer_build) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Whether a variable is what cargo tells a program of its own package. A build that inherits it is another one to build
/// scripts that look at it, such as ring's.
pub fn says_of_the_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Whether a variable says how the host is built, which is not how guests are.
fn is_of_the_outer_build(name: &str) -> bool {
    const PREFIXES: [&str; 5] = ["CARGO_BUILD_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_PROFILE_", "CARGO_TARGET_"];
    name.ends_with("RUSTFLAGS")
        || matches!(name, "RUSTC_WORKSPACE_WRAPPER" | "RUSTC_WRAPPER")
        || says_of_the_package(name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn list(directory: &Path) -> Result<Vec<(String, PathBuf)>, BuildError> {
    let mut guests = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // cargo leaves a copy with a hash in its name beside each example.
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "wasm") && !name.contains('-') {
            guests.push((name.to_owned(), path));
        }
    }
    guests.sort();
    Ok(guests)
}
