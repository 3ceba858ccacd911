//! The Java machine: runs classes of a peer, compiles and runs small Java programs against it.
#![allow(
    clippy::disallowed_methods,
    reason = "starts real processes, compiles into target/"
)]

use std::path::Path;
use std::process::Command;

use super::maven::{cache, class_path, lock};
use crate::proc::{Finished, repo_root, run};

/// Proof that a JDK and Maven are here.
#[derive(Debug, Clone, Copy)]
pub struct Java(());

/// Finds the JDK and Maven, or says what is missing.
pub fn java() -> Result<Java, String> {
    for (program, flag) in [
        ("java", "-version"),
        ("javac", "-version"),
        ("mvn", "--version"),
    ] {
        let found = Command::new(program).arg(flag).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(format!(
                "no {program} here (apt-get install default-jdk-headless maven)"
            ));
        }
    }
    Ok(Java(()))
}

impl Java {
    /// The class path of the peer, by Maven on first use. What Maven cannot fetch fails the test.
    #[track_caller]
    pub fn class_path(self, peer: &str) -> String {
        let jars = class_path(peer).unwrap_or_else(|e| panic!("{e}"));
        let conf = repo_root().join("integration-tests/peers/conf");
        format!("{}:{jars}", conf.display())
    }

    /// A `java` command up to and including the main class. `options` go to the Java machine.
    #[track_caller]
    pub fn command(self, peer: &str, options: &[&str], main: &str) -> Command {
        self.command_on(&self.class_path(peer), options, main)
    }

    fn command_on(self, class_path: &str, options: &[&str], main: &str) -> Command {
        let mut command = Command::new("java");
        command
            .args([
                // what `options` names again wins
                "-Xmx256m",
                "-Dpeer.log=WARN",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
                "-Djava.awt.headless=true",
                "-Djava.net.preferIPv4Stack=true",
            ])
            .args(options)
            .args(["-cp", class_path, main])
            .env_remove("JAVA_TOOL_OPTIONS")
            .env_remove("JDK_JAVA_OPTIONS");
        command
    }

    /// Runs a main class of the peer to its end.
    #[track_caller]
    pub fn tool(self, peer: &str, main: &str, args: &[&str], stdin: &str) -> Finished {
        let mut command = self.command(peer, &[], main);
        command.args(args);
        run(command, stdin.as_bytes())
    }

    /// Compiles `source` (one file, class name = file name, no package) against the peer and gives
    /// the command that runs it.
    #[track_caller]
    pub fn program(self, peer: &str, source: &Path) -> Command {
        let class_path = self.class_path(peer);
        let main = source
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a .java file");
        let classes = cache(peer).join("classes").join(main);
        {
            let _held = lock(peer);
            std::fs::create_dir_all(&classes).expect("target/ can be written");
            let mut javac = Command::new("javac");
            javac
                .args(["-nowarn", "-Xlint:none", "-cp", &class_path, "-d"])
                .arg(&classes)
                .arg(source);
            run(javac, b"").success();
        }
        self.command_on(&format!("{}:{class_path}", classes.display()), &[], main)
    }
}
