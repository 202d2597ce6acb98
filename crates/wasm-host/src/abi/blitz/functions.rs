//! What a guest may import.

use super::bindgen;

/// A function of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Log,
    SetHeader,
    /// One that gives a text.
    Text(Text),
    Throw,
    /// There is nothing to do.
    Ignore,
    /// The table of references to host objects cannot grow: there are none.
    NoTable,
}

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Header,
    Env,
    Body,
}

/// What an import asks for; none for one that is not of this ABI.
pub(super) fn function_of(module: &str, name: &str) -> Option<Function> {
    if module != "env" {
        return bindgen::function_of(module, name);
    }
    match name {
        "log" => Some(Function::Log),
        "set_header" => Some(Function::SetHeader),
        "get_header" => Some(Function::Text(Text::Header)),
        "get_env" => Some(Function::Text(Text::Env)),
        "get_body" => Some(Function::Text(Text::Body)),
        _ => None,
    }
}

impl Function {
    /// The types that it can have, for an error message.
    pub(super) fn signatures(self) -> &'static str {
        match self {
            Self::Log | Self::SetHeader => "(i32, i32, i32, i32) -> ()",
            Self::Text(Text::Body) => "(i32) -> (), () -> i64 or (i32, i32) -> i32",
            Self::Text(Text::Header | Text::Env) => {
                "(i32, i32, i32) -> (), (i32, i32) -> i64 or (i32, i32, i32, i32) -> i32"
            }
            Self::Throw => "(i32, i32) -> ()",
            Self::Ignore => "() -> () or (i32) -> ()",
            Self::NoTable => "(i32) -> i32",
        }
    }
}

impl Text {
    /// How many numbers say which text is meant: pointer and length of its name.
    pub(super) fn params(self) -> usize {
        match self {
            Self::Header | Self::Env => 2,
            Self::Body => 0,
        }
    }
}
