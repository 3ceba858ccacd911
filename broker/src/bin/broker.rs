//! The broker's process: `broker FILE [--override KEY=VALUE]...`. Everything else is in the library.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "sets the process up and says on stderr why it cannot start"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use broker::start;
use clap::Parser;
use driver::logging::{self, Console, LogConfig, Pattern};

/// A Kafka broker on ZooKeeper.
#[derive(Debug, Parser)]
#[command(name = "broker", version)]
struct Args {
    /// server.properties
    file: PathBuf,
    /// a key that counts more than in the file: KEY=VALUE
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let console = match set_up_logging(&args.file) {
        Ok(console) => console,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::FAILURE;
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!(target: logging::STARTUP, "{e}");
            // elsewhere that line is on the console
            if console == Console::Off {
                eprintln!("{e}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let config = start::read_config(&args.file, &args.overrides)?;
    let _ = driver::limits::raise_open_files();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = usize::try_from(config.num_network_threads)?.clamp(1, cores);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("network")
        .enable_all()
        .build()?;
    let done = runtime.block_on(start::run(config));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(done?)
}

/// `server.log` in LOG_DIR where that is set, levels from `logging.yaml` beside server.properties.
fn set_up_logging(file: &Path) -> anyhow::Result<Console> {
    let yaml = file.with_file_name("logging.yaml");
    let levels = LogConfig::read(&yaml).map_err(anyhow::Error::msg)?;
    let log = std::env::var_os("LOG_DIR").map(|dir| PathBuf::from(dir).join("server.log"));
    if let Some(dir) = log.as_deref().and_then(Path::parent) {
        std::fs::create_dir_all(dir)?;
    }
    let pattern = Pattern::Kafka {
        logger: broker::loggers::name_of,
    };
    logging::init(&levels, log.as_deref(), pattern)?;
    Ok(levels.console)
}
