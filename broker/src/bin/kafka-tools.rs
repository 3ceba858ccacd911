//! Kafka's command line tools in one program: `kafka-tools NAME ARGUMENTS`.
#![allow(clippy::print_stderr, reason = "a command line program")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(tool) = args.next() else {
        eprintln!("usage: kafka-tools NAME ARGUMENTS (the scripts kafka-*.sh call it)");
        return ExitCode::FAILURE;
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{tool}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(broker::tools::run(&tool, args.collect()));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
