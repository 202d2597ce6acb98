use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::BuildError;

/// A guest of one AssemblyScript file, built by the compiler that a `package-lock.json` names.
#[derive(Clone, Copy, Debug)]
pub struct AssemblyScriptGuest<'a> {
    /// The file.
    pub source: &'a Path,
    /// The directory of `package.json` and `package-lock.json`.
    pub package: &'a Path,
}

/// Builds an AssemblyScript guest, as its users do. The compiler is put into the work directory when it is not there.
pub fn build_assembly_script(
    guest: AssemblyScriptGuest<'_>,
    work: &Path,
    output: &Path,
) -> Result<PathBuf, BuildError> {
    install(guest.package, work)?;
    let source = guest.source.file_name().ok_or_else(|| BuildError::Tool("a guest is a file".to_owned()))?;
    // The compiler looks for what a file imports from where it runs.
    fs::copy(guest.source, work.join(source))?;
    let mut compiler = Command::new("node");
    compiler.arg("node_modules/assemblyscript/bin/asc.js").arg(source).arg("--optimize").arg("--outFile").arg(output);
    run(compiler.current_dir(work), "AssemblyScript's compiler")?;
    Ok(output.to_owned())
}

/// Installs what the lock names, unless it is there.
fn install(package: &Path, work: &Path) -> Result<(), BuildError> {
    const LOCK: &str = "package-lock.json";
    fs::create_dir_all(work)?;
    let (wanted, installed) = (fs::read(package.join(LOCK))?, fs::read(work.join(LOCK)).ok());
    if installed.as_ref() == Some(&wanted) && work.join("node_modules/assemblyscript").exists() {
        return Ok(());
    }
    fs::copy(package.join("package.json"), work.join("package.json"))?;
    fs::write(work.join(LOCK), wanted)?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
    run(npm.current_dir(work), "npm")
}

fn run(command: &mut Command, name: &str) -> Result<(), BuildError> {
    const NEEDED: &str = "guests in AssemblyScript need Node.js and npm: on Debian, `apt-get install nodejs npm`";
    let status = command.status();
    let status = status.map_err(|error| BuildError::Tool(format!("cannot start {name} ({error}): {NEEDED}")))?;
    if status.success() { Ok(()) } else { Err(BuildError::Tool(format!("{name} failed ({status}); {NEEDED}"))) }
}
