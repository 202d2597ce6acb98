use super::KvGrants;

/// What one plugin may use of what the host offers. The default grants nothing.
///
/// Logging, clocks, random numbers and the plugin's own configuration need no grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Services that the plugin may send a request to.
    pub upstreams: Names,
    /// Whether the plugin may record metrics.
    pub metrics: bool,
    /// The namespaces of key-value pairs that it may use.
    pub kv: KvGrants,
}

/// A set of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// None at all.
    #[default]
    None,
    /// These.
    Only(Vec<String>),
    /// Every one.
    All,
}

impl Names {
    /// Whether the set has this name.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Only(names) => names.iter().any(|n| n == name),
            Self::All => true,
        }
    }
}
