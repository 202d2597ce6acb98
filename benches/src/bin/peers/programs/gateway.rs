//! refgateway with one worker.

use std::process::Command;

use test_guests::NATIVE_FILTER;

use crate::peer::Place;

/// Routes, and plugins.
const MANY: usize = 1_000;

pub(crate) fn proxy(place: &Place<'_>) -> Command {
    command(place, r#"routes = [{ name = "all", service = "upstream" }]"#)
}

pub(crate) fn reused(place: &Place<'_>) -> Command {
    command(place, &one_route(1, "reuse"))
}

pub(crate) fn fresh(place: &Place<'_>) -> Command {
    command(place, &one_route(1, "fresh"))
}

pub(crate) fn ten(place: &Place<'_>) -> Command {
    command(place, &one_route(10, "reuse"))
}

/// A route for each plugin. The one for the path that is asked for is in the middle.
pub(crate) fn thousand(place: &Place<'_>) -> Command {
    let route = |number: usize| {
        let prefix = if number == MANY / 2 { "/api/items".to_owned() } else { format!("/api/items-{number}") };
        format!(
            r#"  {{ name = "{prefix}", match = {{ path_prefix = "{prefix}" }}, service = "upstream", chain = ["filter-{number}"] }},"#
        )
    };
    let routes: Vec<_> = (0..MANY).map(route).collect();
    // All of them keep an instance; there is room for some more.
    let instances = MANY + 100;
    let config =
        format!("plugin_instances = {instances}\nroutes = [\n{}\n]\n{}", routes.join("\n"), plugins(MANY, "reuse"));
    command(place, &config)
}

/// So many plugins in one chain.
fn one_route(filters: usize, pool: &str) -> String {
    let chain: Vec<_> = (0..filters).map(|number| format!(r#""filter-{number}""#)).collect();
    let chain = chain.join(", ");
    let plugins = plugins(filters, pool);
    format!("routes = [{{ name = \"all\", service = \"upstream\", chain = [{chain}] }}]\n{plugins}")
}

fn plugins(filters: usize, pool: &str) -> String {
    let plugin = |number| {
        format!(r#"  {{ name = "filter-{number}", file = "{NATIVE_FILTER}", pool = {{ mode = "{pool}" }} }},"#)
    };
    let plugins: Vec<_> = (0..filters).map(plugin).collect();
    format!("plugins = [\n{}\n]\n", plugins.join("\n"))
}

fn command(place: &Place<'_>, rest: &str) -> Command {
    let Place { directory, address, upstream, build } = *place;
    match build {
        Some(program) => benches::gateway_of(program, directory, address, upstream, rest),
        None => benches::gateway(directory, address, upstream, rest),
    }
}
