use std::collections::BTreeMap;

/// The namespaces that one plugin may use. The default grants none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvGrants {
    /// Its own, which no other plugin has.
    pub own: KvAccess,
    /// Those it shares with others, by name.
    pub shared: BTreeMap<String, KvAccess>,
}

impl KvGrants {
    /// The plugin's own namespace, to read and to write.
    pub fn own() -> Self {
        Self { own: KvAccess::ReadWrite, ..Self::default() }
    }

    /// This one too.
    #[must_use]
    pub fn and_shared(mut self, name: impl Into<String>, access: KvAccess) -> Self {
        self.shared.insert(name.into(), access);
        self
    }
}

/// What a plugin may do with a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvAccess {
    /// Nothing.
    #[default]
    None,
    /// Read and list it.
    Read,
    /// Change it too.
    ReadWrite,
}
