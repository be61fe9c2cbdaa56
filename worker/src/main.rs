//! `tidegate-worker`: a worker with the built-in handlers.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate_worker::main(tidegate_worker::built_in)
}
