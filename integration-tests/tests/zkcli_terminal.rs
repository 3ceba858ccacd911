//! Our zkCli at a terminal: completion, history, lines typed ahead. `script` of util-linux lends the
//! terminal.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test: drives real processes"
)]

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use integration_tests::proc::{binary, skipped, wait_until};
use integration_tests::zk::ZkConfig;

const UP: &str = "\x1b[A";

/// Somebody at a terminal.
struct Typist {
    child: Child,
    screen: PathBuf,
    /// What has been looked at.
    seen: usize,
}

impl Typist {
    fn sit_down(connect: &str, screen: PathBuf) -> Self {
        let line = format!("{} -server {connect}", binary("zk-cli").display());
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]);
        command.env("TERM", "xterm").stdin(Stdio::piped());
        command.stdout(File::create(&screen).unwrap());
        let child = command.spawn().unwrap();
        Self {
            child,
            screen,
            seen: 0,
        }
    }

    fn types(&mut self, keys: &str) {
        let pipe = self.child.stdin.as_mut().unwrap();
        pipe.write_all(keys.as_bytes()).unwrap();
        pipe.flush().unwrap();
    }

    /// Waits until the text appears behind what was seen before.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        let (screen, seen) = (self.screen.clone(), self.seen);
        let mut end = None;
        wait_until(&format!("{text:?} on the screen"), || {
            let shown = std::fs::read(&screen).unwrap();
            let shown = String::from_utf8_lossy(&shown[seen..]).into_owned();
            end = shown.find(text).map(|at| seen + at + text.len());
            end.is_some()
        });
        self.seen = end.unwrap();
    }

    #[track_caller]
    fn prompt(&mut self, number: usize) {
        self.sees(&format!("(CONNECTED) {number}] "));
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        // The terminal goes, and zkCli with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let shown = std::fs::read(&self.screen).unwrap_or_default();
            let _ = std::io::stderr().write_all(&shown);
        }
    }
}

#[test]
fn names_are_completed_lines_come_back_and_none_is_lost() {
    if Command::new("script").arg("--version").output().is_err() {
        return skipped("no script on this machine (apt-get install bsdutils)");
    }
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(dir.path()).start_ours();
    let mut typist = Typist::sit_down(&server.connect_string(), dir.path().join("screen"));
    typist.prompt(0);
    typist.types("create /a-long-name data-of-it\n");
    typist.sees("Created /a-long-name");
    typist.prompt(1);
    // A path that the server knows, then a command.
    typist.types("get /a-l\t");
    typist.sees("get /a-long-name");
    typist.types("\n");
    typist.sees("data-of-it\r\n");
    typist.prompt(2);
    typist.types("getAllC\t");
    typist.sees("getAllChildrenNumber");
    typist.types(" /\n");
    typist.sees("4\r\n");
    typist.prompt(3);
    // Two lines back.
    typist.types(UP);
    typist.sees("getAllChildrenNumber /");
    typist.types(UP);
    typist.sees("get /a-long-name");
    typist.types("\n");
    typist.sees("data-of-it\r\n");
    typist.prompt(4);
    // Several lines at once, as who pastes them: each is a command.
    typist.types("delete /a-long-name\nls /\nhistory\n");
    typist.prompt(5);
    typist.sees("[zookeeper]\r\n");
    typist.prompt(6);
    typist.sees("4 - delete /a-long-name\r\n5 - ls /\r\n6 - history\r\n");
    typist.prompt(7);
    typist.types("no");
    // ^C gives a line up, ^D ends.
    typist.types("\x03");
    typist.prompt(7);
    typist.types("\x04");
    let mut child = None;
    wait_until("zkCli to end", || {
        child = typist.child.try_wait().unwrap();
        child.is_some()
    });
    assert_eq!(child.unwrap().code(), Some(0));
}
