//! The program `satchel`.

use std::process::ExitCode;

fn main() -> ExitCode {
    satchel_cli::run()
}
