//! The environment variables of Blitz: `PLUGIN_DIR`, `PLUGIN_MEMORY_LIMIT`, `PLUGIN_TIMEOUT` and `PLUGIN_LOG`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::config::{Config, Origin, Plugin, PluginLimits, Pool, PoolMode, Size, Time};

const DIR: &str = "PLUGIN_DIR";
const MEMORY_LIMIT: &str = "PLUGIN_MEMORY_LIMIT";
const TIMEOUT: &str = "PLUGIN_TIMEOUT";
const LOG: &str = "PLUGIN_LOG";

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];
/// Behind those of a config, which have 0 where nothing is said.
const PRIORITY: i32 = 100;

/// Asks the environment for a variable.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable of the environment that cannot be used. Everything here is the operator's to change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    #[error("{DIR}: cannot read directory {}: {source}", directory.display())]
    Directory { directory: PathBuf, source: io::Error },
    #[error("{variable}: expected {expected}")]
    Value { variable: &'static str, expected: &'static str },
    #[error("{DIR}: {} would be the plugin `{name}`, and there is another of this name: rename either", file.display())]
    Taken { name: String, file: PathBuf },
}

/// A directory whose plugins every request meets, and what each of them may use up.
#[derive(Debug)]
pub(crate) struct PluginDir {
    directory: PathBuf,
    limits: PluginLimits,
}

impl PluginDir {
    /// What the environment says; nothing without `PLUGIN_DIR`, whatever the other variables are.
    pub(crate) fn from_env(variables: Variables<'_>) -> Result<Option<Self>, EnvironmentError> {
        let Some(directory) = given(variables, DIR) else { return Ok(None) };
        let memory = number(variables, MEMORY_LIMIT, "a number of bytes, 1 or more, such as 2097152")?;
        let timeout = number(variables, TIMEOUT, "a number of milliseconds, 1 or more, such as 3000")?;
        let timeout = timeout.map(|milliseconds| Time(Duration::from_millis(milliseconds)));
        let limits = PluginLimits { memory: memory.map(Size), cpu: timeout, wall: timeout, ..PluginLimits::default() };
        Ok(Some(Self { directory: directory.into(), limits }))
    }

    /// Puts the plugins that are in the directory now into the config and into the chain of every route, by name.
    pub(crate) fn join(&self, config: &mut Config) -> Result<(), EnvironmentError> {
        for file in self.files()? {
            let plugin = self.plugin(file);
            if config.plugins.iter().any(|known| known.name == plugin.name) {
                return Err(EnvironmentError::Taken { name: plugin.name, file: plugin.file });
            }
            config.chain.push(plugin.name.clone());
            config.plugins.push(plugin);
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>, EnvironmentError> {
        let failed = |source| EnvironmentError::Directory { directory: self.directory.clone(), source };
        let paths = fs::read_dir(&self.directory).map_err(failed)?.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm") && !path.is_dir());
        paths.sort();
        Ok(paths)
    }

    fn plugin(&self, file: PathBuf) -> Plugin {
        Plugin {
            priority: PRIORITY,
            limits: self.limits.clone(),
            // `init` is called once, and what it sets is there in every call: instances are kept.
            pool: Pool { mode: PoolMode::Reuse, ..Pool::default() },
            origin: Origin::PluginDir,
            ..Plugin::from_file(name_of(&file), file)
        }
    }
}

fn name_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the process logs, in the syntax of `RUST_LOG`: as that says, and messages of plugins as `PLUGIN_LOG` does. Nothing
/// when that says nothing.
pub(crate) fn log_filter(variables: Variables<'_>) -> Result<Option<String>, EnvironmentError> {
    let Some(level) = given(variables, LOG) else { return Ok(None) };
    let level = level.to_ascii_lowercase();
    if !LEVELS.contains(&level.as_str()) {
        let expected = "one of trace, debug, info, warn and error";
        return Err(EnvironmentError::Value { variable: LOG, expected });
    }
    let rest = given(variables, "RUST_LOG").unwrap_or_else(|| "info".to_owned());
    Ok(Some(format!("{rest},wasm_host::guest={level}")))
}

fn given(variables: Variables<'_>, name: &str) -> Option<String> {
    variables(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn number(
    variables: Variables<'_>,
    variable: &'static str,
    expected: &'static str,
) -> Result<Option<u64>, EnvironmentError> {
    let Some(text) = given(variables, variable) else { return Ok(None) };
    match text.parse() {
        Ok(number @ 1..) => Ok(Some(number)),
        _ => Err(EnvironmentError::Value { variable, expected }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn with<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn without_a_directory_there_is_nothing() {
        assert!(PluginDir::from_env(&with(&[(MEMORY_LIMIT, "many")])).unwrap().is_none());
        assert!(PluginDir::from_env(&with(&[(DIR, " ")])).unwrap().is_none());
    }

    #[test]
    fn files_are_plugins_by_name() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["b.wasm", "a.b.wasm", "notes.txt", ".wasm", "c.WASM"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        fs::create_dir(directory.path().join("folder.wasm")).unwrap();
        let text = directory.path().display().to_string();
        let variables = [(DIR, text.as_str()), (MEMORY_LIMIT, "2097152"), (TIMEOUT, " 3000 ")];
        let found = PluginDir::from_env(&with(&variables)).unwrap().unwrap();
        let mut config = Config { chain: vec!["first".to_owned()], ..Config::default() };
        config.plugins.push(Plugin::from_file("first".to_owned(), "first.wasm".into()));
        found.join(&mut config).unwrap();
        assert_eq!(config.chain, ["first", "a.b", "b"]);
        let plugin = config.plugins.last().unwrap();
        assert_eq!((plugin.name.as_str(), plugin.priority, &plugin.file), ("b", 100, &directory.path().join("b.wasm")));
        let three_seconds = Some(Time::seconds(3));
        assert_eq!((plugin.limits.memory, plugin.limits.cpu), (Some(Size(2_097_152)), three_seconds));
        assert_eq!(plugin.limits.wall, three_seconds);

        let error = found.join(&mut config).unwrap_err().to_string();
        assert!(error.starts_with("PLUGIN_DIR: ") && error.contains("would be the plugin `a.b`"), "{error}");
    }

    #[test]
    fn what_is_wrong_names_the_variable() {
        for (variable, value, error) in [
            (MEMORY_LIMIT, "2MB", "PLUGIN_MEMORY_LIMIT: expected a number of bytes, 1 or more, such as 2097152"),
            (MEMORY_LIMIT, "-1", "PLUGIN_MEMORY_LIMIT: expected a number of bytes, 1 or more, such as 2097152"),
            (MEMORY_LIMIT, "0", "PLUGIN_MEMORY_LIMIT: expected a number of bytes, 1 or more, such as 2097152"),
            (TIMEOUT, "3s", "PLUGIN_TIMEOUT: expected a number of milliseconds, 1 or more, such as 3000"),
        ] {
            let result = PluginDir::from_env(&with(&[(DIR, "/plugins"), (variable, value)]));
            assert_eq!(result.unwrap_err().to_string(), error, "{value}");
        }
        let directory = PluginDir::from_env(&with(&[(DIR, "/nowhere")])).unwrap().unwrap();
        let error = directory.join(&mut Config::default()).unwrap_err().to_string();
        assert!(error.starts_with("PLUGIN_DIR: cannot read directory /nowhere: No such file"), "{error}");
    }

    #[test]
    fn the_level_of_plugins_goes_beside_that_of_the_rest() {
        assert_eq!(log_filter(&with(&[])).unwrap(), None);
        let filter = |variables: &[(&str, &str)]| log_filter(&with(variables)).unwrap().unwrap();
        assert_eq!(filter(&[(LOG, "trace")]), "info,wasm_host::guest=trace");
        assert_eq!(filter(&[(LOG, "WARN"), ("RUST_LOG", "debug")]), "debug,wasm_host::guest=warn");
        let error = log_filter(&with(&[(LOG, "loud")])).unwrap_err().to_string();
        assert_eq!(error, "PLUGIN_LOG: expected one of trace, debug, info, warn and error");
    }
}
