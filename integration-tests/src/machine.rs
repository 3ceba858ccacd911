//! A machine of a test: a host of a [`Net`] with a name, folders and processes of its own, made of
//! namespaces. What runs on it ends when it is dropped, as by a power cut. Needs root.
#![allow(
    clippy::disallowed_methods,
    reason = "starts real processes, reads /proc"
)]

use std::path::Path;
use std::process::Command;

use crate::netns::Net;
use crate::proc::{Process, wait_until};

/// The machine's first process and what it takes to run others beside it.
#[derive(Debug)]
pub struct Machine {
    init: Process,
    pid: u32,
}

impl Machine {
    /// Boots host `host` of the net. `mounts` puts folders and files of this machine in the place of
    /// what has that path: `(ours, theirs)`.
    #[track_caller]
    pub fn boot(net: &Net, host: u8, name: &str, mounts: &[(&Path, &str)], log: &Path) -> Self {
        let mut script = format!("set -e; hostname {name}; ");
        for (ours, theirs) in mounts {
            script += &format!("mount --bind '{}' {theirs}; ", ours.display());
        }
        // An init that takes note of whoever ends: a shell that waits does.
        script += "echo booted; while :; do sleep 86400 & wait; done";
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--uts", "--pid", "--fork", "--kill-child"]);
        unshare.args(["--mount-proc", "sh", "-c", &script]);
        let mut init = Process::spawn(name, net.on_host(host, &unshare), log);
        wait_until(&format!("{name} to boot"), || {
            init.assert_running();
            init.log().lines().any(|line| line == "booted")
        });
        let children = format!("/proc/{0}/task/{0}/children", init.pid());
        let children = std::fs::read_to_string(children).expect("/proc tells children");
        let first = children.split_whitespace().next();
        let pid = first.and_then(|pid| pid.parse().ok()).expect("its init");
        Self { init, pid }
    }

    /// A shell command on the machine, as `ssh NAME COMMAND` gives it.
    pub fn shell(&self, command: &str) -> Command {
        let mut enter = Command::new("nsenter");
        enter
            .arg(format!("--target={}", self.pid))
            .args(["--all", "sh", "-c", command]);
        enter
    }

    /// pid of its first process, for `nsenter`
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A power cut without loss of files: every process is killed.
    pub fn power_off(&mut self) {
        self.init.kill();
    }
}
