//! The program `satchel`.

use std::process::ExitCode;

/// As in the programs that `satchel dev` stands for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    satchel_cli::run()
}
