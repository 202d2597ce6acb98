use std::fmt;

/// Why a run of a command came to no output. All but [`Saturated`](Self::Saturated) are about the guest or its input.
///
/// `stderr` is the end of what the guest wrote there, up to [`CommandLimits::stderr`](crate::CommandLimits::stderr).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The guest ended itself with another exit code than 0. That of a component whose `run` returned an error is 1.
    #[error("exited with code {code}{}", last_words(stderr))]
    Exit {
        /// The code.
        code: i32,
        /// The guest's own words.
        stderr: String,
    },
    /// The guest failed.
    #[error("trapped: {reason}{}", last_words(stderr))]
    Trap {
        /// How and where.
        reason: String,
        /// The guest's own words.
        stderr: String,
    },
    /// The guest was stopped at one of its limits, or not started because of it.
    #[error("went over its limit of {limit}: {reason}{}", last_words(stderr))]
    Limit {
        /// The limit.
        limit: CommandLimit,
        /// What it did.
        reason: String,
        /// The guest's own words.
        stderr: String,
    },
    /// The output was asked for as text, and is none.
    #[error("its output is not UTF-8 text, from byte {at} on; binary output has to be asked for{}", last_words(stderr))]
    NotUtf8 {
        /// How many bytes are text.
        at: usize,
        /// The guest's own words.
        stderr: String,
    },
    /// The engine has no room for one more instance. It may have later.
    #[error("not started: the engine's instance pool is full: {reason}")]
    Saturated {
        /// What is full.
        reason: String,
    },
}

/// A bound of [`CommandLimits`](crate::CommandLimits) that a run went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommandLimit {
    /// `memory`.
    Memory,
    /// `time`.
    Time,
    /// `input`.
    Input,
    /// `output`.
    Output,
}

impl CommandLimit {
    /// Its name in [`CommandLimits`](crate::CommandLimits).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Time => "time",
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for CommandLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn last_words(stderr: &str) -> String {
    match stderr.trim() {
        "" => String::new(),
        words => format!("; stderr: {words}"),
    }
}
