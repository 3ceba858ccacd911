//! What operators run beside `zkServer.sh start`, from an installation of its own: the other commands of
//! zkServer.sh, zkServer-initialize.sh, zkCleanup.sh, the toolkits, systemd's units, logging.yaml.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::java_or_skip;
use integration_tests::proc::{Finished, Port, Process, binary, repo_root, run, wait_until};
use integration_tests::zk::{ZkClient, four_letter};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::CreateRequest;

/// An installation under a temporary folder, with a zoo.cfg.
struct Installed {
    dir: tempfile::TempDir,
    port: Port,
}

impl Installed {
    fn new(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut install = Command::new(repo_root().join("scripts/install.sh"));
        let binaries = binary("zk-server");
        install.arg("--prefix").arg(dir.path());
        install.arg("--binaries").arg(binaries.parent().unwrap());
        install.arg("--systemd").arg(dir.path().join("units"));
        run(install, b"").success();
        let installed = Self {
            dir,
            port: Port::reserve(),
        };
        let cfg = format!(
            "dataDir={}\ndataLogDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n\
             admin.enableServer=false\npreAllocSize=64\n{lines}\n",
            installed.path("data").display(),
            installed.path("logs-of-transactions").display(),
            installed.port.number(),
        );
        fs::write(installed.path("zookeeper/conf/zoo.cfg"), cfg).unwrap();
        installed
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn command(&self, line: &str) -> Command {
        let mut words = line.split(' ');
        let script = words.next().unwrap();
        let mut command = Command::new(self.path("zookeeper/bin").join(script));
        command.args(words);
        for name in [
            "ZOOCFGDIR",
            "ZOOCFG",
            "ZOO_LOG_DIR",
            "ZOO_LOG_FILE",
            "ZOOPIDFILE",
            "JVMFLAGS",
            "SERVER_JVMFLAGS",
        ] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, line: &str) -> Finished {
        run(self.command(line), b"")
    }

    /// Exit code and standard output.
    fn said(&self, line: &str) -> (Option<i32>, String) {
        let finished = self.run(line);
        (finished.status.code(), finished.stdout)
    }

    /// `zkServer.sh start`, which on a busy machine ends before the server serves.
    fn start(&self) {
        self.run("zkServer.sh start").success();
        wait_until("the server to serve", || self.srvr().contains("Mode: "));
    }

    fn srvr(&self) -> String {
        four_letter(self.port.addr(), "srvr")
    }

    fn pid(&self) -> i32 {
        let pid = fs::read_to_string(self.path("data/zookeeper_server.pid"));
        pid.unwrap().parse().unwrap()
    }

    /// Names in `folder/version-2`, sorted.
    fn files(&self, folder: &str) -> Vec<String> {
        names(&self.path(folder).join("version-2"))
    }

    fn fill(&self, count: usize) {
        let mut client = ZkClient::connect(self.port.addr(), 20_000).unwrap();
        for _ in 0..count {
            let create = CreateRequest {
                path: "/n-",
                data: Some(b"x"),
                acl: vec![Acl::OPEN],
                flags: 2,
            };
            client.must(OpCode::Create, &create);
        }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        // Whatever a failed test has left running.
        for file in ["data/zookeeper_server.pid", "elsewhere.pid"] {
            let pid = fs::read_to_string(self.path(file)).ok();
            if let Some(pid) = pid.and_then(|pid| pid.parse().ok()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn zkserver_sh_knows_all_its_commands() {
    let at = Installed::new("");
    let (code, said) = at.said("zkServer.sh version");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("Apache ZooKeeper, version 3.9"), "{said}");
    let (code, said) = at.said("zkServer.sh print-cmd");
    assert_eq!(code, Some(0));
    let logs = at.path("zookeeper/bin/../logs");
    for part in [
        at.path("zookeeper/bin/../lib/zk-server"),
        at.path("zookeeper/bin/../conf/zoo.cfg"),
        logs,
    ] {
        assert!(said.contains(&part.display().to_string()), "{said}");
    }
    let no_such = at.run("zkServer.sh");
    assert_eq!(no_such.status.code(), Some(1));
    let usage = "{start|start-foreground|stop|version|restart|status|print-cmd}\n";
    assert!(no_such.stderr.ends_with(usage), "{}", no_such.stderr);

    at.start();
    let first = at.pid();
    let restarted = at.run("zkServer.sh restart").success();
    assert_eq!(
        restarted,
        "Stopping zookeeper ... STOPPED\nStarting zookeeper ... STARTED\n"
    );
    assert_ne!(at.pid(), first);
    wait_until("the second server to serve", || {
        at.srvr().contains("Mode: standalone")
    });
    at.run("zkServer.sh stop").success();
}

#[test]
fn zkserver_sh_heeds_its_environment() {
    let at = Installed::new("");
    let mut start = at.command("zkServer.sh start zoo.cfg");
    let flags = "-Dzookeeper.4lw.commands.whitelist=ruok,conf -Xmx1g -Djute.maxbuffer=777";
    start
        .env("ZOO_LOG_DIR", at.path("my/logs"))
        .env("ZOO_LOG_FILE", "mine.log")
        .env("ZOOPIDFILE", at.path("elsewhere.pid"))
        .env("SERVER_JVMFLAGS", flags)
        .env("JVMFLAGS", "-Dzookeeper.maxCnxns=5 -XX:+UseG1GC");
    run(start, b"").success();
    assert!(at.path("elsewhere.pid").exists() && !at.path("data/zookeeper_server.pid").exists());
    wait_until("the server to serve", || {
        four_letter(at.port.addr(), "ruok") == "imok"
    });
    let log = fs::read_to_string(at.path("my/logs/mine.log")).unwrap();
    for note in ["-Xmx1g", "-XX:+UseG1GC"] {
        assert!(log.contains(note), "{note} is not noted in\n{log}");
    }
    let mut frame = 778_i32.to_be_bytes().to_vec();
    frame.resize(782, 0);
    let answer = integration_tests::proc::exchange(at.port.addr(), &frame);
    assert_eq!(
        answer, b"",
        "a frame over jute.maxbuffer ends the connection"
    );
    let mut stop = at.command("zkServer.sh stop");
    stop.env("ZOOPIDFILE", at.path("elsewhere.pid"));
    assert_eq!(run(stop, b"").success(), "Stopping zookeeper ... STOPPED\n");

    let mut missing = at.command("zkServer.sh start");
    missing.env("ZOO_DATADIR_AUTOCREATE_DISABLE", "1");
    fs::remove_dir_all(at.path("data")).unwrap();
    let missing = run(missing, b"");
    assert_eq!(missing.status.code(), Some(1));
    let data = at.path("data");
    let told = format!(
        "ZooKeeper data directory is missing at {} fix the path or run initialize\n",
        data.display()
    );
    assert_eq!(missing.stdout, told);
}

#[test]
fn zkserver_sh_says_what_it_cannot_write_or_read() {
    let at = Installed::new("");
    let conf = at.path("zookeeper/conf");
    let cfg = conf.join("zoo.cfg");
    // A folder in a file can be made by nobody, root included.
    let mut start = at.command("zkServer.sh start");
    start.env("ZOOPIDFILE", cfg.join("its.pid"));
    let told = run(start, b"");
    assert_eq!(told.status.code(), Some(1));
    let end = "Starting zookeeper ... FAILED TO WRITE PID\n";
    assert!(told.stdout.ends_with(end), "{}", told.stdout);
    let lines: Vec<&str> = told.stderr.lines().skip(1).collect();
    let [line] = lines[..] else {
        panic!("one sentence after the file's name: {}", told.stderr);
    };
    let begin = format!("cannot write {}: make ", cfg.join("its.pid").display());
    let end = format!(" the owner of {} or set ZOOPIDFILE", cfg.display());
    assert!(line.starts_with(&begin) && line.ends_with(&end), "{line}");

    fs::rename(&cfg, at.path("kept.cfg")).unwrap();
    let sample = conf.join("zoo_sample.cfg");
    let told = |what: &str| {
        let told = at.run("zkServer.sh start").stderr;
        assert!(told.contains(" cannot be read; "), "{told}");
        assert_eq!(told.contains("zoo_sample.cfg"), what == "copy", "{told}");
    };
    if sample.exists() {
        told("copy");
        fs::remove_file(&sample).unwrap();
    }
    told("name");
}

#[test]
fn zkserver_sh_start_foreground_stays_and_ends_with_its_server() {
    let at = Installed::new("");
    let command = at.command("zkServer.sh start-foreground");
    let mut server = Process::spawn("zkServer.sh", command, &at.path("out"));
    wait_until("the server to serve", || {
        server.assert_running();
        at.srvr().contains("Mode: standalone")
    });
    // systemd's unit counts on it: the script has become the server.
    let name = fs::read_to_string(format!("/proc/{}/comm", server.pid())).unwrap();
    assert_eq!(name, "zk-server\n");
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn zkserver_initialize_makes_what_a_first_start_needs() {
    let at = Installed::new("db.autocreate=false");
    let (code, said) = at.said("zkServer-initialize.sh --myid=3");
    assert_eq!((code, said.as_str()), (Some(0), "Using myid of 3\n"));
    assert_eq!(fs::read_to_string(at.path("data/myid")).unwrap(), "3\n");
    let folders = ["data/version-2", "logs-of-transactions/version-2"];
    assert!(folders.iter().all(|folder| at.path(folder).is_dir()));
    let (code, said) = at.said("zkServer-initialize.sh");
    assert_eq!(code, Some(1));
    let exists = format!(
        "ZooKeeper data directory already exists at {} (or use --force to force re-initialization)\n",
        at.path("data").display()
    );
    assert_eq!(said, exists);
    // The marker lets the server begin with an empty tree, once.
    at.start();
    at.fill(3);
    assert!(!at.path("data/initialize").exists());
    assert!(at.files("data").contains(&"snapshot.0".to_owned()));
    at.run("zkServer.sh stop").success();
    let (code, said) = at.said("zkServer-initialize.sh --force");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("Force enabled, data/txnlog directories will be re-initialized\n"));
    assert!(said.contains("No myid provided"), "{said}");
    assert_eq!(
        (at.files("data"), at.files("logs-of-transactions")),
        (vec![], vec![])
    );
    assert!(!at.path("data/myid").exists());
    // Without the marker there is nothing that a server alone could serve.
    fs::remove_file(at.path("data/initialize")).unwrap();
    let refused = at.run("zkServer.sh start");
    assert_eq!(refused.status.code(), Some(1));
    for part in ["db.autocreate=false", "zkServer-initialize.sh"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    for wrong in ["zkServer-initialize.sh --what", "zkServer-initialize.sh -h"] {
        let (code, said) = at.said(wrong);
        assert_eq!(code, Some(1));
        assert!(said.contains("--configfile="), "{said}");
    }
}

/// Snapshots and logs, one snapshot at a time.
fn many_files(at: &Installed) {
    at.start();
    wait_until("eight snapshots", || {
        at.fill(10);
        at.files("data").len() >= 8
    });
}

#[test]
fn zkcleanup_removes_what_javas_does() {
    let java = java_or_skip!();
    let at = Installed::new("snapCount=10");
    many_files(&at);
    // A copy for Java: of a server that stands still.
    at.run("zkServer.sh stop").success();
    for folder in ["data", "logs-of-transactions"] {
        let to = at.path("java").join(folder).join("version-2");
        fs::create_dir_all(&to).unwrap();
        for name in at.files(folder) {
            fs::copy(
                at.path(folder).join("version-2").join(&name),
                to.join(&name),
            )
            .unwrap();
        }
    }
    at.start();
    let of_java = |folder: &str| at.path("java").join(folder).display().to_string();
    let arguments = [
        of_java("logs-of-transactions"),
        of_java("data"),
        "-n".into(),
        "4".into(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let purge = "org.apache.zookeeper.server.PurgeTxnLog";
    let javas = java
        .tool("zookeeper-3.9.5", purge, &arguments, "")
        .success();
    // The server runs meanwhile; its start may have written one more snapshot.
    let before = at.files("data").len() - names(&at.path("java/data/version-2")).len();
    let said = at.run("zkCleanup.sh -n 4").success();
    let removed = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| line.starts_with("Removing file: "));
        let mut names: Vec<String> = lines
            .map(|line| line.rsplit('/').next().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert!(before > 0 && !removed(&said).is_empty(), "{said}");
    for name in removed(&javas) {
        assert!(
            removed(&said).contains(&name),
            "Java removes {name}\n{said}"
        );
    }
    assert_eq!(at.files("data").len(), 4, "{:?}", at.files("data"));
    let kept = names(&at.path("java/logs-of-transactions/version-2"));
    assert!(at.files("logs-of-transactions").len() <= kept.len() + 1);
    at.fill(1);
    let nodes = at.srvr();
    at.run("zkServer.sh stop").success();
    at.start();
    let count = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("Node count"));
        line.map(str::to_owned)
    };
    assert_eq!(count(&at.srvr()), count(&nodes));
    for wrong in ["zkCleanup.sh", "zkCleanup.sh -n 2", "zkCleanup.sh -n x"] {
        let (code, said) = at.said(wrong);
        assert_eq!(code, Some(1));
        assert!(said.starts_with("Usage:\nPurgeTxnLog "), "{said}");
    }
}

#[test]
fn the_toolkits_scripts_print_files() {
    let at = Installed::new("");
    at.start();
    at.fill(2);
    at.run("zkServer.sh stop").success();
    let log = at.path("logs-of-transactions/version-2/log.1");
    let said = at
        .run(&format!("zkTxnLogToolkit.sh -d {}", log.display()))
        .success();
    assert!(
        said.starts_with("ZooKeeper Transactional Log File with dbid 0 txnlog format version 2\n")
    );
    assert!(said.contains("create /n-0000000001,"), "{said}");
    let snapshot = at.path("data/version-2/snapshot.0");
    let said = at
        .run(&format!("zkSnapShotToolkit.sh {}", snapshot.display()))
        .success();
    assert!(said.contains("/zookeeper/quota\n  cZxid = 0x"), "{said}");
    assert_eq!(
        at.run("zkTxnLogToolkit.sh /no/such/file").status.code(),
        Some(1)
    );
}

#[test]
fn logs_follow_logging_yaml() {
    let at = Installed::new("");
    let yaml = at.path("zookeeper/conf/logging.yaml");
    let text = "level: warn\nlevels:\n  zk_server::net: debug\n  startup: info\nconsole: off\nmax_size: 2KB\nmax_files: 2\n";
    fs::write(&yaml, text).unwrap();
    let logs = || names(&at.path("zookeeper/logs"));
    at.start();
    let ends = |end: &str| logs().iter().any(|name| name.ends_with(end));
    wait_until("the log to be rotated twice", || {
        at.srvr();
        ends(".log.2")
    });
    for _ in 0..100 {
        at.srvr();
    }
    at.run("zkServer.sh stop").success();
    assert!(
        ends(".out") && ends(".log") && ends(".log.1") && !ends(".log.3"),
        "{:?}",
        logs()
    );
    for name in logs() {
        assert!(
            name.starts_with("zookeeper-") && name.contains("-server-"),
            "{name}"
        );
        let text = fs::read_to_string(at.path("zookeeper/logs").join(&name)).unwrap();
        assert!(text.len() <= 2048, "{name} has {} bytes", text.len());
        assert!(name.ends_with(".out") == text.is_empty(), "{name}: {text}");
        assert!(!text.contains("Server environment:"), "level: warn\n{text}");
    }
    fs::write(&yaml, "level: loud\n").unwrap();
    let refused = at.run("zkServer.sh start");
    assert_eq!(refused.status.code(), Some(1));
    let why = format!(
        "{}, line 1: level: loud is not a level",
        at.path("zookeeper/conf/logging.yaml").display()
    );
    assert!(
        refused.stderr.replace("bin/../", "").contains(&why),
        "{}",
        refused.stderr
    );
}

#[test]
fn systemd_units_name_what_was_installed() {
    let at = Installed::new("");
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify");
    for (unit, start) in [
        ("zookeeper", "zookeeper/bin/zkServer.sh start-foreground"),
        ("kafka", "kafka/bin/kafka-server-start.sh"),
    ] {
        let file = at.path(&format!("units/{unit}.service"));
        let text = fs::read_to_string(&file).unwrap();
        let start = format!("ExecStart={}", at.path(start).display());
        assert!(text.contains(&start) && !text.contains('@'), "{text}");
        verify.arg(file);
    }
    // Where it is there, it says more.
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_ok()
    {
        let verified = run(verify, b"");
        assert!(verified.status.success(), "{}", verified.stderr);
    }
}
