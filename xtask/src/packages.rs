//! Programs from Debian's packages.

use std::{
    process::{Command, Stdio},
    sync::Once,
};

/// A program, or another thing that a package brings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed {
    /// The command that succeeds where it is there.
    pub(crate) check: &'static [&'static str],
    /// The Debian packages that it takes.
    pub(crate) packages: &'static [&'static str],
}

/// Installs what is missing, where that needs no question asked. Fails with what to install.
pub(crate) fn ensure(needed: &[Needed], user: &str) -> Result<(), String> {
    static UPDATED: Once = Once::new();

    let missing = needed.iter().filter(|needed| !needed.is_there());
    let packages: Vec<_> = missing.flat_map(|needed| needed.packages).copied().collect();
    if packages.is_empty() {
        return Ok(());
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    eprintln!("installing {} for {user}", packages.join(", "));
    UPDATED.call_once(|| {
        // An old list of packages may do.
        let _ = runs(apt().args(["update", "--quiet"]));
    });
    if runs(apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&packages)) {
        return Ok(());
    }
    Err(format!("{user} need {0}: install it, on Debian with `apt-get install {0}`", packages.join(" ")))
}

impl Needed {
    fn is_there(&self) -> bool {
        self.check.split_first().is_some_and(|(program, arguments)| runs(Command::new(program).args(arguments)))
    }
}

fn runs(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}
