//! Cross-site scripting: what a browser would run if it were put into a page.

use crate::Rule;

pub const RULES: [Rule; 5] = [
    rule(941_100, "a script element", |text| holds(text, &["<script", "</script"])),
    rule(941_110, "an event handler in markup", handles_events),
    rule(941_120, "a URL that runs", |text| {
        let dense: String =
            text.chars().filter(|character| !character.is_whitespace() && !character.is_control()).collect();
        holds(&dense, &["javascript:", "vbscript:", "data:text/html", "livescript:"])
    }),
    rule(941_130, "an element that brings another document", |text| {
        holds(text, &["<iframe", "<object", "<embed", "<applet", "<base ", "<meta http-equiv", "<frameset"])
    }),
    rule(941_140, "a script that breaks out of a text", breaks_out),
];

const fn rule(id: u32, description: &'static str, matches: fn(&str) -> bool) -> Rule {
    Rule { id, category: "xss", description, matches }
}

fn holds(text: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| text.contains(part))
}

fn handles_events(text: &str) -> bool {
    const EVENTS: [&str; 15] = [
        "onload",
        "onerror",
        "onclick",
        "onmouseover",
        "onmouseenter",
        "onfocus",
        "onblur",
        "ontoggle",
        "onstart",
        "onbegin",
        "onsubmit",
        "onkeydown",
        "onanimationstart",
        "onpointerover",
        "onpageshow",
    ];
    EVENTS.iter().any(|event| {
        text.match_indices(event).any(|(at, _)| {
            let (before, after) = (&text[..at], text[at + event.len()..].trim_start());
            let is_attribute = before.ends_with(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''));
            after.starts_with('=') && is_attribute && before.contains(['<', '"', '\''])
        })
    })
}

fn breaks_out(text: &str) -> bool {
    const CALLS: [&str; 6] = ["alert", "confirm", "prompt", "eval", "document.write", "fetch"];
    let called = CALLS.iter().any(|call| {
        text.match_indices(call).any(|(at, _)| {
            let is_called = text[at + call.len()..].trim_start().starts_with(['(', '`']);
            let before = text[..at].trim_end();
            is_called && before.ends_with([';', '-', '+', '{', '"', '\'']) && before.contains(['"', '\'', '$', '{'])
        })
    });
    called || holds(text, &["document.cookie", "document.location=", "window.location=", "string.fromcharcode("])
}
