use super::Names;

/// The plugin is not granted the variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnvDenied;

/// A variable of this process's environment as it is now, if it is granted; none where it is not set or not UTF-8.
pub(crate) fn env_variable(granted: &Names, name: &str) -> Result<Option<String>, EnvDenied> {
    if granted.contains(name) { Ok(std::env::var(name).ok()) } else { Err(EnvDenied) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_granted_is_read() {
        let path = std::env::var("PATH").ok();
        assert!(path.is_some());
        let some = Names::Only(vec!["PATH".into(), "NEVER_SET_ANYWHERE".into()]);
        assert_eq!(env_variable(&some, "PATH"), Ok(path.clone()));
        assert_eq!(env_variable(&Names::All, "PATH"), Ok(path));
        assert_eq!(env_variable(&some, "NEVER_SET_ANYWHERE"), Ok(None));
        for name in ["path", "PATH ", "", "HOME", "PATH\0", "PATH=1"] {
            assert_eq!(env_variable(&some, name), Err(EnvDenied), "{name:?}");
        }
        assert_eq!(env_variable(&Names::None, "PATH"), Err(EnvDenied));
    }

    #[test]
    fn a_name_that_no_variable_has_finds_nothing() {
        for name in ["", "=", "A=B", "A\0B", "\u{0}"] {
            assert_eq!(env_variable(&Names::All, name), Ok(None), "{name:?}");
        }
    }
}
