//! The ZooKeeper server: `zk-server [-Dname=value ...] zoo.cfg`, or `zk-server PORT DATADIR [TICKTIME]
//! [MAXCLIENTCNXNS]` (Java: `QuorumPeerMain`, `ZooKeeperServerMain`). Also what zkServer.sh needs
//! from a client: `zk-server --four-letter-word HOST PORT WORD`, `zk-server --version`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program: reads its environment, talks to the console"
)]

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use driver::logging::{self, LogConfig, Pattern, STARTUP};
use driver::signals::StopSignals;
use zk_server::config::{self, Config, ConfigError, JvmFlags};
use zk_server::net::environment;
use zk_server::threads::later;
use zk_server::threads::start::{self, Origin, StartError};

const USAGE: &str =
    "Usage: zk-server [-Dname=value ...] configfile | port datadir [ticktime] [maxcnxns]";

/// Exit codes of Java's `ExitCode`.
const UNEXPECTED: u8 = 1;
const INVALID: u8 = 2;

fn main() -> ExitCode {
    let mut flags = JvmFlags::default();
    for name in ["SERVER_JVMFLAGS", "JVMFLAGS"] {
        if let Ok(options) = std::env::var(name) {
            flags.add(name, &options);
        }
    }
    let mut arguments = Vec::new();
    for argument in std::env::args().skip(1) {
        if argument.starts_with("-D") || argument.starts_with("-X") {
            flags.add_one("the command line", &argument);
        } else {
            arguments.push(argument);
        }
    }
    match arguments.first().map(String::as_str) {
        Some("--version") => {
            println!("Apache ZooKeeper, version {}", environment::version_line());
            ExitCode::SUCCESS
        }
        Some("--four-letter-word") => four_letter_word(&arguments[1..]),
        Some("-h" | "--help") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => serve(&arguments, flags),
    }
}

fn serve(arguments: &[String], flags: JvmFlags) -> ExitCode {
    let log_file = log_file(&flags);
    let loaded = match arguments {
        [file] => config::load(Path::new(file), flags),
        [_, _] | [_, _, _] | [_, _, _, _] => {
            config::load_arguments(arguments, flags).map(|config| (config, String::new()))
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(INVALID);
        }
    };
    let file = arguments.first().filter(|_| arguments.len() == 1);
    let logging = log_config(file.map(Path::new));
    let myid = loaded
        .as_ref()
        .ok()
        .and_then(|(config, _)| config.server_id);
    let pattern = Pattern::ZooKeeper {
        myid: myid.map_or_else(String::new, |id| id.to_string()),
    };
    match logging {
        Ok(levels) => {
            if let Err(error) = logging::init(&levels, log_file.as_deref(), pattern.clone()) {
                eprintln!("{error}. The server goes on without a log file.");
                let _ = logging::init(&levels, None, pattern);
            }
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(INVALID);
        }
    }
    match loaded {
        Ok((config, text)) => {
            let file = file.map(PathBuf::from);
            run(config, Origin { file, text }, log_file.as_deref())
        }
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &ConfigError) -> ExitCode {
    tracing::error!(target: STARTUP, "Invalid config, exiting abnormally: {error}");
    eprintln!("Invalid config, exiting abnormally");
    ExitCode::from(error.exit_code())
}

fn run(config: Config, origin: Origin, log_file: Option<&Path>) -> ExitCode {
    tracing::info!(
        target: STARTUP,
        "Starting server, version {}, process {}",
        environment::full_version(),
        std::process::id()
    );
    if let Some(path) = log_file {
        tracing::info!(target: STARTUP, "Further lines are in {}", path.display());
    }
    for (name, value) in environment::entries() {
        tracing::info!("Server environment:{name}={value}");
    }
    for note in &config.notes {
        tracing::info!("{note}");
    }
    for warning in &config.warnings {
        tracing::warn!(target: STARTUP, "{warning}");
    }
    // Two threads at most, since the core is one value behind one lock, and one where the log thread and
    // clients need the other processor: who shares it wakes others for what it could do itself.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((cores / 2).clamp(1, 2))
        .thread_name("net")
        .on_thread_park(later::say)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(target: STARTUP, "Unexpected exception, exiting abnormally: {error}");
            return ExitCode::from(UNEXPECTED);
        }
    };
    let served = runtime.block_on(serve_until_stopped(config, origin));
    runtime.shutdown_background();
    match served {
        Ok(()) => {
            tracing::info!(target: STARTUP, "Exiting normally");
            ExitCode::SUCCESS
        }
        Err(StartError { message, exit_code }) => {
            tracing::error!(target: STARTUP, "The server did not start: {message}");
            ExitCode::from(exit_code)
        }
    }
}

async fn serve_until_stopped(config: Config, origin: Origin) -> Result<(), StartError> {
    let mut signals = StopSignals::listen().map_err(|error| StartError {
        message: format!("cannot listen for signals: {error}."),
        exit_code: UNEXPECTED,
    })?;
    let running = start::start(config, origin).await?;
    if let Some(port) = running.client_port() {
        tracing::info!(target: STARTUP, "Listening for clients on port {port}");
    }
    let signal = signals.wait().await;
    tracing::info!(target: STARTUP, "{signal}: stopping");
    running.stop();
    Ok(())
}

/// Where zkServer.sh wants the log: `zookeeper.log.dir` and `zookeeper.log.file`.
fn log_file(flags: &JvmFlags) -> Option<PathBuf> {
    let (dir, _) = flags.get("zookeeper.log.dir")?;
    let (file, _) = flags.get("zookeeper.log.file")?;
    Some(Path::new(dir).join(file))
}

/// `logging.yaml` beside zoo.cfg, if there is one.
fn log_config(config: Option<&Path>) -> Result<LogConfig, String> {
    let folder = config.and_then(Path::parent);
    let Some(path) = folder.map(|folder| folder.join("logging.yaml")) else {
        return Ok(LogConfig::default());
    };
    LogConfig::read(&path).map_err(|error| format!("{error}."))
}

/// Sends a four-letter word and prints the answer (Java: `FourLetterWordMain`).
fn four_letter_word(arguments: &[String]) -> ExitCode {
    let [host, port, word] = arguments else {
        eprintln!("Usage: zk-server --four-letter-word host port word");
        return ExitCode::from(INVALID);
    };
    match ask(host, port, word) {
        Ok(answer) => {
            print!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{host}:{port}: {error}");
            ExitCode::from(UNEXPECTED)
        }
    }
}

fn ask(host: &str, port: &str, word: &str) -> std::io::Result<String> {
    let port: u16 = port.parse().map_err(std::io::Error::other)?;
    let patience = Duration::from_secs(5);
    let mut last = std::io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.write_all(word.as_bytes())?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                return Ok(answer);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
