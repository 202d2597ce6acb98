//! Path traversal: what leads out of a directory, and where it usually leads to.

use crate::Rule;

pub const RULES: [Rule; 4] = [
    rule(930_100, "a way up and out of a directory", leads_up),
    rule(930_110, "a file of the system", |text| {
        let text = text.replace('\\', "/");
        ["/etc/passwd", "/etc/shadow", "/proc/self/", "/windows/win.ini", "/boot.ini", "/winnt/", "/windows/system32"]
            .iter()
            .any(|file| text.contains(file))
    }),
    rule(930_120, "a file that no server shows", |text| {
        let files = [".git/config", "/.env", ".htaccess", ".htpasswd", "wp-config.php", "/.ssh/", "/.aws/credentials"];
        files.iter().any(|file| text.contains(file))
    }),
    rule(930_130, "a stream or a NUL in the place of a file", |text| {
        ["php://", "file://", "phar://", "expect://", "\0"].iter().any(|part| text.contains(part))
    }),
];

const fn rule(id: u32, description: &'static str, matches: fn(&str) -> bool) -> Rule {
    Rule { id, category: "traversal", description, matches }
}

fn leads_up(text: &str) -> bool {
    let text = text.replace('\\', "/");
    // Some servers take off what follows a semicolon, and `....//` is `../` to who takes `../` out once.
    let ways = text.matches("../").count() + text.matches("..;/").count() + text.matches("....//").count();
    ways > 0 || text.ends_with("/..")
}
