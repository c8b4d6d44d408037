//! The command `ledg-cost`: hands over to the library beside it, which tests share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ledg_cli::main()
}
