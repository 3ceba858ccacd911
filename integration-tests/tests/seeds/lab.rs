//! A machine as the tutorials' readers have it, under a temporary folder: `/opt/zookeeper` and
//! `/opt/kafka` laid out by `scripts/install.sh`, ports of its own for 2181, 9092 and so on. It
//! never touches what lies outside of that folder, and ends what still runs from it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::peers::{Java, broker_count};
use integration_tests::proc::{
    Finished, Port, Process, behind, binary, repo_root, run, wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The ports that the tutorials name, and those that stand for them here.
const PORTS: [u16; 5] = [2181, 8080, 9092, 9093, 9094];
/// The folders that the tutorials name; here they lie below the lab's own.
const FOLDERS: [&str; 3] = ["/opt/", "/data/", "/tmp/"];

#[derive(Debug)]
pub(crate) struct Lab {
    dir: TempDir,
    ports: Vec<Port>,
}

impl Lab {
    /// Installs both services.
    #[track_caller]
    pub(crate) fn install() -> Self {
        let lab = Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
            ports: PORTS.iter().map(|_| Port::reserve()).collect(),
        };
        for folder in FOLDERS {
            std::fs::create_dir_all(lab.path(folder)).expect("a folder");
        }
        let mut install = Command::new(repo_root().join("scripts/install.sh"));
        let binaries = binary("zk-server");
        install
            .arg("--prefix")
            .arg(lab.path("/opt"))
            .arg("--binaries")
            .arg(binaries.parent().expect("a program lies in a folder"));
        let said = run(install, b"").success();
        assert!(said.contains("bin/zkServer.sh start"), "{said}");
        lab
    }

    /// Where `/opt/...`, `/data/...` or `/tmp/...` of the tutorial lies here.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn port_index(port: u16) -> usize {
        let found = PORTS.iter().position(|known| *known == port);
        found.expect("a port that the tutorials name")
    }

    /// The address that stands for the tutorial's `localhost:PORT`.
    pub(crate) fn addr(&self, port: u16) -> SocketAddr {
        self.ports[Self::port_index(port)].addr()
    }

    /// The tutorial's text with folders, ports and addresses of this lab.
    pub(crate) fn mapped(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        'text: while let Some(first) = rest.chars().next() {
            // A path or a number counts only where a word begins.
            let inside = out.ends_with(|c: char| c.is_ascii_alphanumeric() || "./-_".contains(c));
            for folder in FOLDERS.iter().filter(|_| !inside) {
                if rest.starts_with(folder) {
                    write!(
                        out,
                        "{}/",
                        self.path(folder.trim_end_matches('/')).display()
                    )
                    .expect("a String grows");
                    rest = &rest[folder.len()..];
                    continue 'text;
                }
            }
            for (port, here) in PORTS.iter().zip(&self.ports).filter(|_| !inside) {
                let number = port.to_string();
                if rest.starts_with(&number)
                    && !rest[number.len()..].starts_with(|c: char| c.is_ascii_digit())
                {
                    out.push_str(&here.number().to_string());
                    rest = &rest[number.len()..];
                    continue 'text;
                }
            }
            let inside = out.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '.');
            if !inside && rest.starts_with("192.168.") {
                out.push_str("127.0.0.1");
                rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
                continue;
            }
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
        out
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("bash");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(["-c", &self.mapped(line)])
            .current_dir(self.path("/opt"))
            .env(
                "PATH",
                format!("{}:{path}", self.path("/opt/kafka/bin").display()),
            )
            .env("KAFKA_HOME", self.path("/opt/kafka"))
            // 8080 may be somebody else's.
            .env(
                "SERVER_JVMFLAGS",
                format!("-Dzookeeper.admin.serverPort={}", self.addr(8080).port()),
            );
        for name in [
            "JVMFLAGS",
            "CLIENT_JVMFLAGS",
            "ZOOCFGDIR",
            "ZOOCFG",
            "ZOO_LOG_DIR",
            "ZOOPIDFILE",
            "LOG_DIR",
            "KAFKA_OPTS",
            "KAFKA_HEAP_OPTS",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a line of the tutorial to its end.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Finished {
        self.type_into(line, "")
    }

    /// Runs a line of the tutorial with `typed` as what its reader types.
    #[track_caller]
    pub(crate) fn type_into(&self, line: &str, typed: &str) -> Finished {
        run(self.command(line), typed.as_bytes())
    }

    /// Starts a line of the tutorial that goes on until `^C`.
    #[track_caller]
    pub(crate) fn start(&self, line: &str) -> Process {
        self.start_command(line, self.command(line))
    }

    /// The same for a program of which the tutorial gives the source.
    #[track_caller]
    pub(crate) fn start_command(&self, name: &str, command: Command) -> Process {
        let log = tempfile::NamedTempFile::new_in(self.dir.path()).expect("a temporary file");
        let (_, log) = log.keep().expect("a file in the lab's folder");
        Process::spawn(name, interruptible(&command), &log)
    }

    /// Writes a file of the tutorial.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        let folder = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(&path, self.mapped(text)).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    }

    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.path(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"))
    }

    /// Sets keys of the server.properties that was installed, as the tutorial's reader does with
    /// an editor, and writes the result to `to`.
    #[track_caller]
    pub(crate) fn edit_server_properties(&self, to: &str, lines: &[&str]) {
        let key = |line: &str| line.split('=').next().map(|key| key.trim().to_owned());
        let installed = self.path("/opt/kafka/config/server.properties");
        let mut text = String::new();
        // Its values are the tutorial's as well: the original when it has been edited already.
        let original = self.path("/opt/kafka/config/server.properties.original");
        if !original.exists() {
            std::fs::copy(&installed, &original).expect("server.properties is installed");
        }
        let kept = std::fs::read_to_string(&original).expect("server.properties is installed");
        for line in kept.lines() {
            if lines.iter().all(|new| key(new) != key(line)) {
                writeln!(text, "{line}").expect("a String grows");
            }
        }
        // Where the tutorial keeps the default port, the lab has to name its own.
        if !lines.iter().any(|line| line.starts_with("listeners")) {
            text.push_str("listeners=PLAINTEXT://:9092\n");
        }
        for line in lines {
            writeln!(text, "{line}").expect("a String grows");
        }
        self.write(to, &text);
    }

    /// Gives the zookeeper.properties that was installed this lab's port.
    #[track_caller]
    pub(crate) fn edit_zookeeper_properties(&self) {
        let file = "/opt/kafka/config/zookeeper.properties";
        self.write(file, &self.read(file));
    }

    /// Waits until the broker at the tutorial's `port` answers and knows of `count` brokers.
    #[track_caller]
    pub(crate) fn wait_for_brokers(&self, port: u16, count: i32) {
        let addr = self.addr(port);
        wait_until(&format!("{count} brokers seen at {port} ({addr})"), || {
            broker_count(addr) == Some(count)
        });
    }

    /// Puts Apache's command line tools of `version` in the place of ours, so that the tutorial's
    /// lines run them.
    #[track_caller]
    pub(crate) fn use_tools_of_apache(&self, java: Java, version: &str) {
        for (script, main) in [
            ("kafka-topics", "kafka.admin.TopicCommand"),
            ("kafka-console-producer", "kafka.tools.ConsoleProducer"),
            ("kafka-console-consumer", "kafka.tools.ConsoleConsumer"),
        ] {
            let command = java.command(&format!("kafka-{version}"), &[], main);
            self.wrap(&format!("/opt/kafka/bin/{script}.sh"), &command);
        }
    }

    /// Makes the script at `path` run `command`.
    #[track_caller]
    pub(crate) fn wrap(&self, path: &str, command: &Command) {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<String> = words
            .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")))
            .collect();
        let text = format!("#!/usr/bin/env bash\nexec {} \"$@\"\n", quoted.join(" "));
        // The script stays executable: only what stands in it changes.
        std::fs::write(self.path(path), text).expect("a script can be written");
    }

    /// The processes whose program lies in this lab.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let root = self.dir.path().canonicalize().expect("the lab's folder");
        let inside = |exe: &Path| exe.starts_with(&root);
        let Ok(all) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        all.flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| inside(&exe))
            })
            .collect()
    }
}

/// The same command, which `^C` ends: who runs tests in the background has it ignored, and programs
/// inherit that.
fn interruptible(command: &Command) -> Command {
    let mut wrapper = Command::new("env");
    wrapper.arg("--default-signal=INT");
    behind(wrapper, command)
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in ["zookeeper/logs", "kafka/logs"] {
                self.show_logs(&self.path("/opt").join(log));
            }
        }
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

impl Lab {
    fn show_logs(&self, dir: &Path) {
        let Ok(entries) = std::fs::read_dir(dir) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(60);
            eprintln!("---- {} (last lines) ----", path.display());
            eprintln!("{}", lines[from..].join("\n"));
        }
    }
}
