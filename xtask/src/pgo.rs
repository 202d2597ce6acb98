//! `pgo`: a gateway arranged by what a build before it was seen to do (profile-guided optimisation).

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{cargo, root, run, servers};

/// Where the program is put, within the workspace.
const PROGRAM: &str = "target/pgo/refgateway";

/// Builds a gateway that counts what it runs, gives it work of many kinds, and builds it again by the counts.
pub(crate) fn build() -> Result<(), String> {
    servers::ensure_compilers()?;
    let toolchain = Toolchain::find()?;
    let merge = toolchain.profile_tool()?;
    let (program, work) = (root().join(PROGRAM), root().join("target/pgo"));
    let (counts, merged) = (work.join("counts"), work.join("merged.profdata"));

    // Nothing is left of an earlier run that fails now.
    remove(&program)?;
    remove(&counts)?;
    let counting = toolchain.gateway(&work.join("counting"), "-Cprofile-generate=", &counts)?;
    let mut training = cargo(&["run", "--locked", "--package", "trainer", "--"]);
    run(training.arg(&counting).env_remove("LLVM_PROFILE_FILE"))?;
    run(Command::new(merge).args(["merge", "--output"]).args([&merged, &counts]))?;

    // cargo cannot see that the counts are others.
    let guided = work.join("guided");
    remove(&guided)?;
    let gateway = toolchain.gateway(&guided, "-Cprofile-use=", &merged)?;
    fs::copy(gateway, program).map_err(|error| format!("{PROGRAM}: {error}"))?;
    eprintln!("the gateway is {PROGRAM}");
    Ok(())
}

struct Toolchain {
    sysroot: PathBuf,
    host: String,
}

impl Toolchain {
    fn find() -> Result<Self, String> {
        let sysroot = rustc(&["--print", "sysroot"])?.trim().into();
        let version = rustc(&["--version", "--verbose"])?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(Self { sysroot, host: host.ok_or("rustc does not say for which host it is")?.to_owned() })
    }

    /// The program that merges counts, installed when it is missing.
    fn profile_tool(&self) -> Result<PathBuf, String> {
        let tool = self.sysroot.join("lib/rustlib").join(&self.host).join("bin/llvm-profdata");
        if !tool.exists() {
            run(Command::new("rustup").args(["component", "add", "llvm-tools"]).current_dir(root()))?;
        }
        if tool.exists() { Ok(tool) } else { Err(format!("the component llvm-tools has no {}", tool.display())) }
    }

    /// The gateway of a release build with this flag, besides those of `RUSTFLAGS`; those of cargo's configs do not count. With
    /// a target named, cargo keeps it from what runs during the build.
    fn gateway(&self, directory: &Path, flag: &str, path: &Path) -> Result<PathBuf, String> {
        let own = env::var("RUSTFLAGS").unwrap_or_default();
        let flag = format!("{flag}{}", path.display());
        let flags: Vec<_> = own.split_whitespace().chain([flag.as_str()]).collect();
        let mut build = cargo(&["build", "--release", "--locked", "--package", "refgateway", "--bin", "refgateway"]);
        build.args(["--target", &self.host, "--target-dir"]).arg(directory);
        run(build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")))?;
        Ok(directory.join(&self.host).join("release/refgateway"))
    }
}

fn rustc(arguments: &[&str]) -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc).args(arguments).current_dir(root()).output();
    let output = output.map_err(|error| format!("`{}`: {error}", rustc.display()))?;
    if !output.status.success() {
        return Err(format!("`{} {}` failed ({})", rustc.display(), arguments.join(" "), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A file, or a directory with all that is in it.
fn remove(path: &Path) -> Result<(), String> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{}: {error}", path.display())),
        _ => Ok(()),
    }
}
