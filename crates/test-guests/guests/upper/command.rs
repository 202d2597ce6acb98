//! Writes its input in capitals.

use std::io::{Read, Write};

fn main() {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).expect("stdin");
    input.make_ascii_uppercase();
    std::io::stdout().write_all(&input).expect("stdout");
}
