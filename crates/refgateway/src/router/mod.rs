//! Which route a request takes.
//!
//! The host decides first: its exact name, then the longest `*.suffix`, then routes without a host. Within one host the
//! most specific path comes first: exact, then patterns and prefixes by length, then regular expressions in the order
//! they are written. A candidate whose method or headers do not match gives way to the next one. The cost depends on the
//! depth of host and path, not on the number of routes.

mod builder;
mod rule;
mod table;

pub use self::builder::RouterBuilder;

use std::collections::HashMap;

use http::{HeaderMap, Method};

use self::table::Table;

/// Finds routes by their number, the one they were added with.
#[derive(Clone, Debug, Default)]
pub struct Router {
    exact_hosts: HashMap<String, Table>,
    suffix_hosts: HashMap<String, Table>,
    any_host: Table,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This route.
    Route(usize),
    /// Only the method does not match: these would.
    MethodNotAllowed(Vec<Method>),
    /// Nothing.
    Nothing,
}

/// The parts of a request that routing looks at.
#[derive(Clone, Copy, Debug)]
pub struct Question<'r> {
    /// The method.
    pub method: &'r Method,
    /// The host in lower case, without a port.
    pub host: &'r str,
    /// The path as it was sent, without the query.
    pub path: &'r str,
    /// The headers.
    pub headers: &'r HeaderMap,
}

impl Router {
    /// Starts an empty router.
    pub fn builder() -> RouterBuilder {
        RouterBuilder::default()
    }

    /// The route for a request.
    pub fn find(&self, question: Question<'_>) -> Found {
        let mut allowed = Vec::new();
        for table in self.tables(question.host) {
            if let Some(route) = table.find(question, &mut allowed) {
                return Found::Route(route);
            }
        }
        if allowed.is_empty() { Found::Nothing } else { Found::MethodNotAllowed(allowed) }
    }

    /// The tables that may answer for a host, most specific first.
    fn tables<'t>(&'t self, host: &'t str) -> impl Iterator<Item = &'t Table> {
        let suffixes = if self.suffix_hosts.is_empty() { "" } else { host };
        let parents = std::iter::successors(parent(suffixes), |name| parent(name));
        let exact = if self.exact_hosts.is_empty() { None } else { self.exact_hosts.get(host) };
        exact
            .into_iter()
            .chain(parents.filter_map(|name| self.suffix_hosts.get(name)))
            .chain(std::iter::once(&self.any_host))
    }
}

fn parent(host: &str) -> Option<&str> {
    host.split_once('.').map(|(_, parent)| parent).filter(|parent| !parent.is_empty())
}

#[cfg(test)]
mod tests;
