//! The `refgateway` program.

use std::process::ExitCode;

/// The system's allocator is a good part of what a request costs: see RATIONALE.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    refgateway::cli::main()
}
