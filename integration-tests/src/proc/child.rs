//! Child processes that never outlive the test that started them.
#![allow(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "starts real processes and shows their logs when a test fails"
)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait::{LIMIT, wait_until};

/// A server in the background. Dropping it kills it; when the test is failing, its log is shown.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with stdout and stderr appended to `log`.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Self {
        let out = File::options()
            .append(true)
            .create(true)
            .open(log)
            .unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        let err = out.try_clone().expect("a second handle");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name} ({command:?}): {e}"));
        Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory.
    pub fn resident_kb(&self) -> u64 {
        crate::bench::process::resident_kib(self.pid()).expect("a running process")
    }

    /// All that it has printed since its log was created.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }

    /// Fails at once, with the log shown, when the process has ended.
    #[track_caller]
    pub fn assert_running(&mut self) {
        let exited = self.exited();
        assert!(exited.is_none(), "{} ended: {exited:?}", self.name);
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("our own child");
    }

    /// Asks it to end (SIGTERM) and waits for that.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        if self.exited().is_none() {
            self.signal(Signal::SIGTERM);
        }
        self.wait()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let name = self.name.clone();
        wait_until(&format!("{name} to end"), || self.exited().is_some());
        self.exited().expect("it has ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            // what the waiting asked
            let asked = |line: &&str| !line.contains("Processing srvr command");
            let lines: Vec<&str> = log.lines().filter(asked).collect();
            let from = lines.len().saturating_sub(80);
            eprintln!("---- log of {} (last lines) ----", self.name);
            eprintln!("{}", lines[from..].join("\n"));
        }
    }
}

/// `wrapper`, which starts what follows it, with a command, its folder and its variables.
pub fn behind(mut wrapper: Command, command: &Command) -> Command {
    wrapper.arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        wrapper.current_dir(dir);
    }
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapper.env(key, value),
            None => wrapper.env_remove(key),
        };
    }
    wrapper
}

/// What a finished program left.
#[derive(Debug, Clone)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// stdout of a program that must have succeeded.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(
            self.status.success(),
            "{}\n---- stdout ----\n{}\n---- stderr ----\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self.stdout
    }
}

/// Runs a program to its end with `stdin` as its input; panics when it takes longer than
/// [`LIMIT`].
#[track_caller]
pub fn run(mut command: Command, stdin: &[u8]) -> Finished {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (out, err) = (dir.path().join("out"), dir.path().join("err"));
    command
        .stdin(Stdio::piped())
        .stdout(File::create(&out).expect("a temporary file"))
        .stderr(File::create(&err).expect("a temporary file"));
    let mut child = command
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let mut pipe = child.stdin.take().expect("stdin is a pipe");
    let input = stdin.to_owned();
    // The program may end without reading it all: a broken pipe is its right.
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let start = Instant::now();
    let read = |path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break status;
        }
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "{command:?} did not end within {LIMIT:?}\n{}\n{}",
                read(&out),
                read(&err)
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let _ = writer.join();
    Finished {
        status,
        stdout: read(&out),
        stderr: read(&err),
    }
}
