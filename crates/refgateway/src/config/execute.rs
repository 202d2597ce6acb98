//! What a config file says about running commands, and what the environment says where the file does not.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;
use wasm_host::CommandLimits;

use super::{Problem, Size, Time, tree::Path};

/// Running commands that come with a request, on the admin listener: `POST /api/wasm/execute`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Execute {
    /// Off: there is no such resource.
    pub enabled: bool,
    /// Bytes of a module. Default: the environment's `MAX_WASM_SIZE`, or else 10 MiB.
    pub max_module: Option<Size>,
    /// Bytes of an input. Default: the environment's `MAX_INPUT_SIZE`, or else 1 MiB.
    pub max_input: Option<Size>,
    /// How long a command may run. Default: the environment's `EXECUTION_TIMEOUT` in seconds, or else 5 seconds.
    pub timeout: Option<Time>,
    /// Bytes of memory that a command may have. Default: the environment's `MEMORY_LIMIT`, or else 128 MiB.
    pub memory: Option<Size>,
    /// Bytes of an output. Default: 4 MiB.
    pub max_output: Option<Size>,
    /// Commands that are received, compiled or run at once; one more is refused. Default: 4.
    pub concurrency: Option<NonZeroU32>,
}

impl Default for Execute {
    fn default() -> Self {
        Self {
            enabled: true,
            max_module: None,
            max_input: None,
            timeout: None,
            memory: None,
            max_output: None,
            concurrency: None,
        }
    }
}

impl Execute {
    /// Takes from the environment what the file does not say. `variables` answers for it.
    pub(crate) fn fill(&mut self, variables: &dyn Fn(&str) -> Option<String>) -> Vec<Problem> {
        if !self.enabled {
            return Vec::new();
        }
        let mut problems = Vec::new();
        let mut number = |key, variable: &str, unit| -> Option<u64> {
            let text = variables(variable).filter(|text| !text.is_empty())?;
            let number = text.parse::<u64>().ok().filter(|number| *number > 0);
            if number.is_none() {
                let message = format!(
                    "environment variable `{variable}` is not a number of {unit} above 0; change it, or set \
                     `execute.{key}`, which comes before it"
                );
                problems.push(Problem { path: Path::default().key("execute").key(key), at: None, message });
            }
            number
        };
        let sizes = [
            (&mut self.max_module, "max_module", "MAX_WASM_SIZE"),
            (&mut self.max_input, "max_input", "MAX_INPUT_SIZE"),
            (&mut self.memory, "memory", "MEMORY_LIMIT"),
        ];
        for (setting, key, variable) in sizes {
            if setting.is_none() {
                *setting = number(key, variable, "bytes").map(Size);
            }
        }
        if self.timeout.is_none() {
            self.timeout = number("timeout", "EXECUTION_TIMEOUT", "seconds").map(Time::seconds);
        }
        problems
    }

    /// The keys that are set to nothing.
    pub(super) fn zeros(&self) -> impl Iterator<Item = &'static str> {
        let is_zero = |size: Option<Size>| size == Some(Size(0));
        let keys = [
            ("max_module", is_zero(self.max_module)),
            ("max_input", is_zero(self.max_input)),
            ("timeout", self.timeout.is_some_and(|time| time.0.is_zero())),
            ("memory", is_zero(self.memory)),
            ("max_output", is_zero(self.max_output)),
        ];
        keys.into_iter().filter_map(|(key, is_zero)| is_zero.then_some(key))
    }

    pub(crate) fn limits(&self) -> CommandLimits {
        let default = CommandLimits::default();
        CommandLimits {
            memory: self.memory.map_or(default.memory, |size| size.0),
            time: self.timeout.map_or(default.time, |time| time.0),
            module: self.max_module.map_or(default.module, Size::as_usize),
            input: self.max_input.map_or(default.input, Size::as_usize),
            output: self.max_output.map_or(default.output, Size::as_usize),
            ..default
        }
    }

    pub(crate) fn concurrency(&self) -> usize {
        const CONCURRENCY: usize = 4;
        self.concurrency.map_or(CONCURRENCY, |places| usize::try_from(places.get()).unwrap_or(usize::MAX))
    }
}
