//! `${VARIABLE}` and `${VARIABLE:-default}` in the text values of a tree.

use super::{Node, Path, Value};
use crate::config::problem::Problem;

/// Replaces every variable in every text value; `$$` stands for one `$`.
///
/// All that is wrong is pushed to `problems`: a variable that is not set and has no default, a `${` that never ends.
/// Keys are left alone, and no message holds a variable's value.
pub(crate) fn expand(
    node: &mut Node,
    path: &Path,
    lookup: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) {
    match &mut node.value {
        Value::Text(text) if text.contains('$') => match expand_text(text, lookup) {
            Ok(expanded) => node.value = Value::Expanded(expanded),
            Err(message) => problems.push(Problem { path: path.clone(), at: Some(node.at), message }),
        },
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand(item, &path.index(index), lookup, problems);
            }
        }
        Value::Map(entries) => {
            for (key, child) in entries {
                expand(child, &path.key(&key.name), lookup, problems);
            }
        }
        _ => {}
    }
}

fn expand_text(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (variable, after) = after.split_once('}').ok_or("`${` without a closing `}`")?;
            expanded.push_str(&resolve(variable, lookup)?);
            rest = after;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn resolve(variable: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) = match variable.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (variable, None),
    };
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if name.is_empty() || !is_name {
        return Err("`${…}` does not hold a variable name; write `$$` for a plain `$`".to_owned());
    }
    lookup(name)
        .filter(|value| default.is_none() || !value.is_empty())
        .or_else(|| default.map(str::to_owned))
        .ok_or_else(|| format!("environment variable `{name}` is not set; set it or write `${{{name}:-default}}`"))
}
