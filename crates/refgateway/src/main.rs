//! The `refgateway` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    refgateway::cli::main()
}
