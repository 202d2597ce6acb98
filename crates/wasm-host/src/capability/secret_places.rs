//! Secrets that are somewhere outside of the process's memory.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::secrets::{SECRET_BYTES, Secret, SecretError, SecretSource, is_secret_name};

/// Secrets in environment variables: each name has its variable. The value is taken as it is.
#[derive(Clone, Debug, Default)]
pub struct EnvSecrets(BTreeMap<String, String>);

impl EnvSecrets {
    /// The secret of this name is in this variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, variable: impl Into<String>) -> Self {
        self.0.insert(name.into(), variable.into());
        self
    }
}

impl SecretSource for EnvSecrets {
    fn resolve(&self, name: &str) -> Result<Secret, SecretError> {
        let Some(variable) = self.0.get(name) else { return Err(SecretError::Unknown { looked: Vec::new() }) };
        let place = format!("the environment variable `{variable}`");
        match std::env::var(variable) {
            Ok(value) => checked(value.into_bytes(), place),
            Err(std::env::VarError::NotPresent) => Err(SecretError::Unknown { looked: vec![place] }),
            Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::NotText { place }),
        }
    }
}

/// Secrets in files: each name has its file. One line end at the end of the file does not belong to the value.
#[derive(Clone, Debug, Default)]
pub struct FileSecrets(BTreeMap<String, PathBuf>);

impl FileSecrets {
    /// The secret of this name is in this file.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        self.0.insert(name.into(), file.into());
        self
    }
}

impl SecretSource for FileSecrets {
    fn resolve(&self, name: &str) -> Result<Secret, SecretError> {
        match self.0.get(name) {
            Some(file) => read(file),
            None => Err(SecretError::Unknown { looked: Vec::new() }),
        }
    }
}

/// Secrets in a directory, one file each, with the name of the secret: as Kubernetes mounts a secret, and Docker.
///
/// A link in it is followed: who may write to the directory says what the secrets are.
#[derive(Clone, Debug)]
pub struct SecretDirectory(PathBuf);

impl SecretDirectory {
    /// The secrets in this directory. It is not looked at now.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }
}

impl SecretSource for SecretDirectory {
    fn resolve(&self, name: &str) -> Result<Secret, SecretError> {
        if is_secret_name(name) { read(&self.0.join(name)) } else { Err(SecretError::InvalidName) }
    }
}

fn read(file: &Path) -> Result<Secret, SecretError> {
    let place = format!("the file {}", file.display());
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SecretError::Unknown { looked: vec![place.clone()] },
        _ => SecretError::Unreadable { place: place.clone(), reason: error.to_string() },
    };
    // Opening a pipe would wait for its other end.
    if !fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(SecretError::Unreadable { place, reason: "it is not a file".to_owned() });
    }
    let mut value = Vec::new();
    let file = File::open(file).map_err(unreadable)?;
    file.take(SECRET_BYTES as u64 + 3).read_to_end(&mut value).map_err(unreadable)?;
    if value.pop_if(|byte| *byte == b'\n').is_some() {
        value.pop_if(|byte| *byte == b'\r');
    }
    checked(value, place)
}

fn checked(value: Vec<u8>, place: String) -> Result<Secret, SecretError> {
    match value.len() {
        0 => return Err(SecretError::Empty { place }),
        bytes if bytes > SECRET_BYTES => return Err(SecretError::TooLarge { place }),
        _ => {}
    }
    match String::from_utf8(value) {
        Ok(value) => Ok(Secret::new(value)),
        Err(_) => Err(SecretError::NotText { place }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expose(secret: Result<Secret, SecretError>) -> Result<String, String> {
        secret.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_read_by_the_names_they_are_given() {
        // Cargo sets it for every test.
        let source = EnvSecrets::default().with("package", "CARGO_PKG_NAME").with("gone", "WASM_HOST_NOT_SET");
        assert_eq!(expose(source.resolve("package")), Ok("wasm-host".to_owned()));
        let reason = "there is no such secret; looked for the environment variable `WASM_HOST_NOT_SET`";
        assert_eq!(expose(source.resolve("gone")), Err(reason.to_owned()));
        assert_eq!(source.resolve("CARGO_PKG_NAME"), Err(SecretError::Unknown { looked: Vec::new() }));
    }

    #[test]
    fn one_line_end_is_not_of_the_secret() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("value");
        let source = FileSecrets::default().with("s", &file);
        for (content, value) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")] {
            fs::write(&file, content).unwrap();
            assert_eq!(expose(source.resolve("s")), Ok(value.to_owned()), "{content:?}");
        }
    }

    #[test]
    fn what_is_no_value_is_named_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("empty"), "\n").unwrap();
        fs::write(path("large"), vec![b'x'; SECRET_BYTES + 1]).unwrap();
        fs::write(path("full"), vec![b'x'; SECRET_BYTES]).unwrap();
        fs::write(path("bytes"), [0xff]).unwrap();
        fs::create_dir(path("directory")).unwrap();
        let source = SecretDirectory::new(directory.path());
        let place = |name: &str| format!("the file {}", path(name).display());
        for (name, error) in [
            ("empty", SecretError::Empty { place: place("empty") }),
            ("large", SecretError::TooLarge { place: place("large") }),
            ("bytes", SecretError::NotText { place: place("bytes") }),
            ("directory", SecretError::Unreadable { place: place("directory"), reason: "it is not a file".to_owned() }),
            ("gone", SecretError::Unknown { looked: vec![place("gone")] }),
            ("..", SecretError::InvalidName),
            ("../empty", SecretError::InvalidName),
        ] {
            assert_eq!(source.resolve(name), Err(error), "{name}");
        }
        assert!(source.resolve("full").is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_as_kubernetes_mounts_it_is_read_through_its_links() {
        use std::os::unix::fs::symlink;

        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for (version, value) in [("..2026_01", "old\n"), ("..2026_02", "new\n")] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("token"), value).unwrap();
        }
        symlink("..2026_01", path("..data")).unwrap();
        symlink("..data/token", path("token")).unwrap();
        let source = SecretDirectory::new(directory.path());
        assert_eq!(expose(source.resolve("token")), Ok("old".to_owned()));
        assert_eq!(source.resolve("..data"), Err(SecretError::InvalidName));

        symlink("..2026_02", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        assert_eq!(expose(source.resolve("token")), Ok("new".to_owned()));
    }
}
