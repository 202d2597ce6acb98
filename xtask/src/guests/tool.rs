use std::path::{Path, PathBuf};

use super::{BuildError, nested_build};

/// Builds the one program of a workspace, which a build of guests runs.
pub fn build_tool(workspace: &Path, name: &str, target_dir: &Path) -> Result<PathBuf, BuildError> {
    let status = nested_build(target_dir).current_dir(workspace).status()?;
    if !status.success() {
        return Err(BuildError::Failed(status));
    }
    Ok(target_dir.join("debug").join(name).with_extension(std::env::consts::EXE_EXTENSION))
}
