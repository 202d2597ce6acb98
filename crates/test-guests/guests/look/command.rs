//! Tries to reach what a command is not given, and reports what it sees.

use std::{env, fs, io::ErrorKind, net::TcpStream};

fn main() {
    println!("args {:?}", env::args().collect::<Vec<_>>());
    println!("env {:?}", env::vars().collect::<Vec<_>>());
    println!("list {}", outcome(fs::read_dir("/").map(drop)));
    println!("list-here {}", outcome(fs::read_dir(".").map(drop)));
    println!("read {}", outcome(fs::read("/etc/passwd").map(drop)));
    println!("up {}", outcome(fs::read("../../../../etc/passwd").map(drop)));
    println!("write {}", outcome(fs::write("/tmp/escape", "here")));
    println!("connect {}", outcome(TcpStream::connect(("127.0.0.1", 1)).map(drop)));
    println!("resolve {}", outcome(TcpStream::connect("localhost:80").map(drop)));
}

fn outcome(result: std::io::Result<()>) -> &'static str {
    match result.map_err(|error| error.kind()) {
        Ok(()) => "done",
        // Nobody listens there: the network was reached.
        Err(ErrorKind::ConnectionRefused) => "refused by the network",
        Err(_) => "denied",
    }
}
