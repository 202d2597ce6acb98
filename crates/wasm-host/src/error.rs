use std::{io, path::PathBuf};

/// Why an engine or a plugin could not be made. Each says whose fault it is and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This machine or this process cannot run the engine as configured.
    #[error("the engine cannot start: {reason}")]
    Engine {
        /// What failed.
        reason: String,
    },
    /// The plugin's file cannot be read.
    #[error("cannot read plugin file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The bytes are not a WebAssembly file.
    #[error(
        "not a WebAssembly file: it starts with {found}; a plugin is a component or a core module in the binary format"
    )]
    NotWasm {
        /// The first bytes, in hexadecimal.
        found: String,
    },
    /// The file starts like WebAssembly and is damaged.
    #[error("damaged WebAssembly file: {reason}")]
    Damaged {
        /// Where and how.
        reason: String,
    },
    /// A valid file whose imports and exports fit no ABI.
    #[error("no plugin ABI fits this {kind}: it exports {found}; supported are: {supported}")]
    UnknownAbi {
        /// `component` or `core module`.
        kind: &'static str,
        /// What it exports.
        found: String,
        /// Each supported ABI with what it exports.
        supported: String,
    },
    /// The guest imports what the host does not have.
    #[error("the guest imports what the {abi} ABI does not offer: {}", missing.join(", "))]
    MissingImports {
        /// The guest's ABI.
        abi: &'static str,
        /// Every missing import.
        missing: Vec<String>,
    },
    /// A core module with an embedded WIT world could not be made a component.
    #[error("the core module carries a WIT world and cannot be made a component: {reason}")]
    Componentize {
        /// What did not fit.
        reason: String,
    },
    /// The code was not accepted by the compiler.
    #[error("cannot compile the guest: {reason}")]
    Compile {
        /// What it said.
        reason: String,
    },
    /// The guest's imports or exports have other types than its ABI.
    #[error("the guest does not fit the {abi} ABI: {reason}")]
    Link {
        /// The guest's ABI.
        abi: &'static str,
        /// What did not fit.
        reason: String,
    },
    /// What the operator says about how the guest is used is not what its ABI takes.
    #[error("the options given for the {abi} ABI do not fit: {reason}")]
    AbiOptions {
        /// The guest's ABI.
        abi: &'static str,
        /// Which key, and what was expected.
        reason: String,
    },
    /// A plugin that takes messages as a whole is to read their bodies in another way.
    #[error(
        "plugin `{plugin}` takes {phase}s as a whole: with the body mode `{mode}` it would not see them, it needs `buffer`"
    )]
    WholeMessages {
        /// The plugin.
        plugin: String,
        /// `request` or `response`.
        phase: &'static str,
        /// How it is to read them.
        mode: crate::BodyMode,
    },
    /// The guest could not be instantiated, or failed in its configure phase.
    #[error("plugin `{plugin}` does not start: {failure}")]
    Start {
        /// The plugin.
        plugin: String,
        /// How it failed.
        failure: crate::Failure,
    },
    /// The guest refused its configuration.
    #[error("plugin `{plugin}` refuses its config: {message}")]
    ConfigRefused {
        /// The plugin.
        plugin: String,
        /// The guest's own words.
        message: String,
    },
    /// The configuration names secrets that the plugin cannot have.
    #[error("plugin `{plugin}` cannot have secrets that its config names: {}", list(problems))]
    Secrets {
        /// The plugin.
        plugin: String,
        /// Each place, and why not.
        problems: Vec<crate::ConfigProblem>,
    },
    /// The configuration does not fit the schema that the plugin ships, or the operator's.
    #[error("plugin `{plugin}` has a config that does not fit its schema: {}", list(problems))]
    ConfigMisfit {
        /// The plugin.
        plugin: String,
        /// Each place, and what was expected there.
        problems: Vec<crate::ConfigProblem>,
    },
    /// A schema for configurations is none, or takes too long.
    #[error("plugin `{plugin}`: {origin} cannot be used: {reason}")]
    SchemaUnusable {
        /// The plugin.
        plugin: String,
        /// Whose schema.
        origin: crate::SchemaOrigin,
        /// Why not.
        reason: String,
    },
    /// The plugin is to read more of a body ahead than it may.
    #[error("plugin `{plugin}` reads {phase} bodies by `{mode}`, and `limits.body_bytes` is {limit} bytes")]
    BodyMode {
        /// The plugin.
        plugin: String,
        /// `request` or `response`.
        phase: &'static str,
        /// How it reads them.
        mode: crate::BodyMode,
        /// The limit.
        limit: usize,
    },
    /// A plugin is to read bodies and has no phase for it.
    #[error("plugin `{plugin}` is configured to read {phase} bodies and has no {phase}-body phase")]
    NoBodyPhase {
        /// The plugin.
        plugin: String,
        /// `request` or `response`.
        phase: &'static str,
    },
    /// A plugin is to be called between requests and has no phase for it.
    #[error("plugin `{plugin}` is configured to tick and has no tick phase")]
    NoTickPhase {
        /// The plugin.
        plugin: String,
    },
    /// A plugin ticks too often.
    #[error("plugin `{plugin}` ticks every {every:?}, and the shortest time between two ticks is {shortest:?}")]
    Tick {
        /// The plugin.
        plugin: String,
        /// What it declares, or the operator said.
        every: std::time::Duration,
        /// The bound.
        shortest: std::time::Duration,
    },
    /// A plugin of a chain requires a property that no plugin before it provides.
    #[error(
        "plugin `{plugin}` requires the property `{property}`, and no plugin before it in the chain provides it{}",
        provider.as_ref().map(|provider| format!(": `{provider}` does, behind it (lower `priority` comes first)")).unwrap_or_default()
    )]
    MissingProperty {
        /// The plugin.
        plugin: String,
        /// The property.
        property: String,
        /// A plugin that provides it, too late.
        provider: Option<String>,
    },
    /// A regular expression is none.
    #[error("not a regular expression: {reason}")]
    InvalidRegex {
        /// Where and why.
        reason: String,
    },
    /// A plugin is given code that counts no steps, and is to have them limited, or the other way round.
    #[error("plugin `{plugin}` is given another plugin's code, and only one of the two has `limits.fuel`")]
    Fuel {
        /// The plugin.
        plugin: String,
    },
    /// A command where a plugin is expected.
    #[error("it is a WASI command, which runs by itself from stdin to stdout: it cannot be a plugin of a chain")]
    CommandAsPlugin,
    /// Another guest where a command is expected.
    #[error(
        "it is a plugin of the {abi} ABI and no command: a command is a core module that exports _start and memory, or a \
         component that exports wasi:cli/run@0.2"
    )]
    NotACommand {
        /// The guest's ABI.
        abi: &'static str,
    },
    /// A command's file is larger than [`CommandLimits::module`](crate::CommandLimits::module).
    #[error("the command's file has {size} bytes, and {bound} are allowed")]
    CommandTooLarge {
        /// The file's size.
        size: u64,
        /// The limit.
        bound: usize,
    },
    /// A command was built without code.
    #[error("the command has no code: give it `bytes` or a `file`")]
    NoCommand,
    /// A plugin was built without code.
    #[error("plugin `{plugin}` has no code: give it `bytes` or a `file`")]
    NoCode {
        /// The plugin.
        plugin: String,
    },
}

/// The result of what can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn list(problems: &[crate::ConfigProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A wasmtime error with its causes, on one line.
pub(crate) fn one_line(error: &wasmtime::Error) -> String {
    format!("{error:#}")
}
