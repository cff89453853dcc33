//! The binary: arguments, then the command, then the exit status.

use std::process::ExitCode;

/// musl's own allocator is several times slower, and keeps more memory than we hold.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    barnabas::cli::main(std::env::args_os().skip(1))
}
