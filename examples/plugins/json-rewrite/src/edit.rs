use serde::Deserialize;
use serde_json::Value;

use crate::{document::Node, pointer::Pointer};

/// A change of a document. What its pointer does not find is left alone.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Edit {
    /// Sets a value, and makes the objects that lead to it.
    Set {
        pointer: Pointer,
        value: Value,
    },
    Remove {
        pointer: Pointer,
    },
    /// Gives a member of an object another name, in its place. A member that has the name already goes.
    Rename {
        pointer: Pointer,
        to: String,
    },
}

impl Edit {
    /// Whether it changed something.
    pub(crate) fn apply(&self, document: &mut Node) -> bool {
        match self {
            Self::Set { pointer: Pointer { parents, last }, value } => {
                let mut parent = Some(document);
                for name in parents {
                    parent = parent.and_then(|node| node.child_or_new(name));
                }
                parent.is_some_and(|node| node.set(last, Node::from(value)))
            }
            Self::Remove { pointer } => find(document, pointer).is_some_and(|node| node.remove(&pointer.last)),
            Self::Rename { pointer, to } => find(document, pointer).is_some_and(|node| node.rename(&pointer.last, to)),
        }
    }
}

fn find<'a>(document: &'a mut Node, pointer: &Pointer) -> Option<&'a mut Node> {
    pointer.parents.iter().try_fold(document, |node, name| node.child(name))
}
