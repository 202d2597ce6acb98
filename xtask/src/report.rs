//! The part of `docs/performance.md` that `bench-peers` writes.

use std::{env, fs, process::Command, thread};

use crate::root;

const FILE: &str = "docs/performance.md";
const START: &str = "<!-- bench-peers -->";
const END: &str = "<!-- /bench-peers -->";
const WIDTH: usize = 120;

/// Puts the tables there, with the machine and the versions of everything.
pub(crate) fn write(length: &str, tables: &str, not_installed: &[String]) -> Result<(), String> {
    let processors = thread::available_parallelism().map_err(|error| error.to_string())?;
    let conditions = format!(
        "Measured on {}, on {processors} processors ({}) with Linux {}: {length}. Versions: {}.",
        printed("date", &["--utc", "+%F"]).trim(),
        processor_model(),
        printed("uname", &["--kernel-release"]).trim(),
        versions().join(", "),
    );
    let mut report = format!("{}\n\n{}\n", wrap(&conditions), tables.trim());
    if !not_installed.is_empty() {
        report.push_str("\nNot installed:\n\n");
        not_installed.iter().for_each(|peer| report.push_str(&format!("- {peer}\n")));
    }
    let file = root().join(FILE);
    let text = fs::read_to_string(&file).map_err(|error| format!("{FILE}: {error}"))?;
    fs::write(&file, put(&text, &report)?).map_err(|error| format!("{FILE}: {error}"))?;
    eprintln!("written into {FILE}");
    Ok(())
}

/// The version that a lock file has of a package.
pub(crate) fn locked(lock: &str, package: &str) -> Option<String> {
    let lock = fs::read_to_string(root().join(lock)).ok()?;
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"').map(str::to_owned)
}

/// The text, with something else between the two comments.
fn put(text: &str, report: &str) -> Result<String, String> {
    let missing = || format!("{FILE} needs a line `{START}`, and a line `{END}` after it");
    let (before, rest) = text.split_once(START).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{START}\n{report}{END}{after}"))
}

fn processor_model() -> String {
    let text = printed("lscpu", &[]);
    let model = text.lines().find_map(|line| line.strip_prefix("Model name:"));
    model.map_or("of an unknown model", str::trim).to_owned()
}

/// Of all that is there.
fn versions() -> Vec<String> {
    let peers = root().join("target/peers");
    let of = |name: &str, text: String| Some(format!("{name} {}", version(&text)?));
    let program = |path: &str| peers.join(path).display().to_string();
    let pingora = || locked("benches/pingora-proxy/Cargo.lock", "pingora");
    let has_pingora = root().join("target/pingora/release/pingora-peer").exists();
    let gateway = root().join("target/release/refgateway").display().to_string();
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let versions = [
        of("refgateway", printed(&gateway, &["--version"])),
        of("wasmtime in it", locked("Cargo.lock", "wasmtime").unwrap_or_default()),
        of("Rust", printed(&rustc, &["--version"])),
        of("nginx", printed("nginx", &["-v"])),
        of("its Lua module", printed("dpkg-query", &["--show", "libnginx-mod-http-lua"])),
        of("haproxy", printed("haproxy", &["-v"])),
        of("Envoy", printed(&program("python/bin/envoy"), &["--version"])),
        of("Pingora", has_pingora.then(pingora).flatten().unwrap_or_default()),
        of("`wasmtime serve`", printed(&program("bin/wasmtime"), &["--version"])),
        of("Extism", printed(&program("python/bin/pip"), &["show", "extism-sys"])),
        of("wrk", printed("wrk", &["-v"])),
    ];
    versions.into_iter().flatten().collect()
}

/// All that a program prints; nothing when it is not there.
fn printed(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return String::new() };
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

/// The first three numbers with dots between them.
fn version(text: &str) -> Option<&str> {
    let mut words = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    words.find(|word| word.split('.').filter(|number| !number.is_empty()).count() == 3)
}

fn wrap(text: &str) -> String {
    let (mut wrapped, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::{END, START, put, version, wrap};

    #[test]
    fn replaces_what_is_between_the_comments() {
        let text = format!("before\n{START}\nold\n{END}\nafter\n");
        assert_eq!(put(&text, "new\n"), Ok(format!("before\n{START}\nnew\n{END}\nafter\n")));
        assert!(put("no comments", "new").is_err());
    }

    #[test]
    fn finds_the_version_in_what_programs_print() {
        for (text, expected) in [
            ("nginx version: nginx/1.22.1", "1.22.1"),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17", "2.6.12"),
            ("bin/envoy  version: 9e5580933739775e8bce/1.40.0/Clean/RELEASE/BoringSSL", "1.40.0"),
            ("libnginx-mod-http-lua\t1:0.10.23-1+deb12u1", "0.10.23"),
            ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer", "4.1.0"),
        ] {
            assert_eq!(version(text), Some(expected));
        }
        assert_eq!(version("not there"), None);
    }

    #[test]
    fn wraps_between_words() {
        let wrapped = wrap(&"word ".repeat(50));
        assert!(wrapped.lines().count() == 3 && wrapped.lines().all(|line| line.len() <= 120), "{wrapped}");
    }
}
