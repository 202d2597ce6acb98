//! Does what the first line of its input says, good or bad.

use std::{
    io::{BufRead, Read, Write},
    process::ExitCode,
    thread,
    time::Duration,
};

fn main() -> ExitCode {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("stdin");
    let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    match word {
        "exit" => std::process::exit(rest.parse().expect("a code")),
        "return" => return ExitCode::from(rest.parse::<u8>().expect("a code")),
        "words" => {
            eprintln!("{rest}");
            println!("said");
        }
        "complain" => {
            eprintln!("{rest}");
            return ExitCode::FAILURE;
        }
        "panic" => panic!("{rest}"),
        "loop" => loop {
            std::hint::spin_loop();
        },
        "say-and-loop" => {
            eprintln!("still here");
            loop {
                std::hint::spin_loop();
            }
        }
        "sleep" => thread::sleep(Duration::from_secs(3600)),
        "nap" => loop {
            thread::sleep(Duration::from_millis(1));
        },
        "grow" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1_u8; 1 << 20]);
            }
        }
        "flood" => loop {
            print!("{}", "0123456789abcdef".repeat(64));
        },
        "write" => {
            let bytes = vec![b'x'; rest.parse().expect("a size")];
            std::io::stdout().write_all(&bytes).expect("stdout");
        }
        "flood-stderr" => {
            for line in 0..200_000 {
                eprintln!("line {line}");
            }
            return ExitCode::FAILURE;
        }
        "past-the-end" => {
            let mut left = Vec::new();
            std::io::stdin().read_to_end(&mut left).expect("stdin");
            let again = std::io::stdin().read(&mut [0; 16]).expect("stdin");
            let and_again = std::io::stdin().read(&mut [0; 16]).expect("stdin");
            print!("{} {again} {and_again}", left.len());
        }
        "not-text" => std::io::stdout().write_all(b"ok\xff\xfe").expect("stdout"),
        "not-text-on-stderr" => {
            std::io::stderr().write_all(b"bad \xff\n").expect("stderr");
            return ExitCode::FAILURE;
        }
        "random" => {
            let ordered: std::collections::HashMap<u32, u32> = (0..4).map(|n| (n, n)).collect();
            print!("{}", ordered.len());
        }
        other => panic!("unknown: {other}"),
    }
    ExitCode::SUCCESS
}
