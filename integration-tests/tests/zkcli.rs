//! Our zkCli against Java's: the same script gives the same output, on every server.
//!
//! Both read `scenarios/zkcli-100.txt` from a pipe, each from a new server that they have for
//! themselves; times, session ids and the program's own version are masked. Events are printed
//! by a thread of their own in Java, so they are compared among themselves.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::process::Command;

use integration_tests::java_or_skip;
use integration_tests::peers::Java;
use integration_tests::proc::{Finished, binary, repo_root, run};
use integration_tests::zk::{ZkConfig, ZkServer};

const PEER: &str = "zookeeper-3.9.5";
/// In the place of a version of Java's: our server.
const OURS: &str = "ours";

fn start(java: Java, version: &str) -> (tempfile::TempDir, ZkServer) {
    let dir = tempfile::tempdir().unwrap();
    let config = ZkConfig::new(dir.path())
        .property("zookeeper.extendedTypesEnabled", "true")
        .property("zookeeper.enforceQuota", "true");
    let server = match version {
        OURS => config.start_ours(),
        version => config.start_java(java, version),
    };
    (dir, server)
}

fn java_cli(java: Java, args: &[&str], stdin: &str) -> Finished {
    let options = ["-Dpeer.log=OFF", "-Dorg.jline.terminal.dumb=true"];
    let mut command = java.command(PEER, &options, "org.apache.zookeeper.ZooKeeperMain");
    command.args(args);
    run(command, stdin.as_bytes())
}

fn our_cli(args: &[&str], stdin: &str) -> Finished {
    let mut command = Command::new(binary("zk-cli"));
    command
        .args(args)
        .env_remove("CLIENT_JVMFLAGS")
        .env_remove("JVMFLAGS");
    run(command, stdin.as_bytes())
}

/// What a program printed, without what may differ.
#[derive(Debug, Default)]
struct Printed {
    lines: Vec<String>,
    events: Vec<String>,
    errors: Vec<String>,
    code: Option<i32>,
}

fn mask(line: &str, connect: &str) -> String {
    let line = line
        .replace(connect, "HOST")
        .replace("(CONNECTING)", "(CONNECTED)");
    let value = line
        .split_once("] ")
        .map_or(line.as_str(), |(_, value)| value);
    for (start, masked) in [
        ("ctime = ", "TIME"),
        ("mtime = ", "TIME"),
        ("ZooKeeper CLI version: ", "VERSION"),
    ] {
        if value.starts_with(start) && !value.contains("1970") {
            return line.replace(value, &format!("{start}{masked}"));
        }
    }
    match value.strip_prefix("ephemeralOwner = 0x") {
        // Marks of containers and TTLs begin with 80 and ff.
        Some(id) if id.len() > 12 && !id.starts_with("ff") && !id.starts_with("80") => {
            line.replace(id, "SESSION")
        }
        _ => line,
    }
}

fn printed(finished: &Finished, connect: &str) -> Printed {
    let mut printed = Printed {
        code: finished.status.code(),
        ..Printed::default()
    };
    let mut text = finished.stdout.replace("\nWATCHER::\n", "");
    // An event is an empty line and what happened, wherever the output had come to.
    while let Some(at) = text.find("\nWatchedEvent ") {
        let end = text[at + 1..]
            .find('\n')
            .map_or(text.len(), |end| at + 1 + end + 1);
        printed.events.push(text[at..end].trim().to_owned());
        text.replace_range(at..end, "");
    }
    // Commands that print nothing leave their prompts on one line.
    let text = text.replace("[zk: ", "\n[zk: ").replace(") ", ")\n");
    printed.lines = text.lines().map(|line| mask(line, connect)).collect();
    // whoami lists a set.
    let mut rest = printed.lines.as_mut_slice();
    while let Some(at) = rest
        .iter()
        .position(|line| line.ends_with("Auth scheme: User"))
    {
        rest = &mut rest[at + 1..];
        let users = rest.iter().take_while(|line| !line.is_empty()).count();
        rest[..users].sort();
    }
    let jline = |line: &&str| !line.contains("org.jline") && !line.contains("dumb terminal");
    printed.errors = finished
        .stderr
        .lines()
        .filter(jline)
        .map(str::to_owned)
        .collect();
    printed
}

/// Shows the first differences with what stands around them.
fn assert_same(what: &str, ours: &[String], javas: &[String]) {
    let first = ours.iter().zip(javas).position(|(a, b)| a != b);
    let first = first.or((ours.len() != javas.len()).then(|| ours.len().min(javas.len())));
    if let Some(at) = first {
        let from = at.saturating_sub(3);
        let show = |lines: &[String]| {
            let end = lines.len().min(at + 6);
            lines[from.min(end)..end].join("\n")
        };
        panic!(
            "{what}, line {at}\n---- Java ----\n{}\n---- ours ----\n{}",
            show(javas),
            show(ours)
        );
    }
}

fn compare(ours: &Printed, javas: &Printed, what: &str) {
    assert_same(&format!("{what}: stdout"), &ours.lines, &javas.lines);
    assert_same(&format!("{what}: stderr"), &ours.errors, &javas.errors);
    assert_same(&format!("{what}: events"), &ours.events, &javas.events);
    assert_eq!(ours.code, javas.code, "{what}: exit code");
}

fn script(version: &str) -> String {
    let file = repo_root().join("integration-tests/scenarios/zkcli-100.txt");
    let text = std::fs::read_to_string(file).unwrap();
    // 3.6 ends the connection of whoever sends an operation that it does not know.
    let known = |line: &&str| version != "3.6.2" || *line != "whoami";
    text.lines()
        .filter(known)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Java's zkCli on Java's server, ours on another one of that kind; or, where that is our server,
/// both of them there.
fn same_script(version: &str) {
    let java = java_or_skip!();
    let script = script(version);
    assert!(script.lines().count() >= 100);
    let javas_server = if version == OURS { "3.9.5" } else { version };
    let (_dir, first) = start(java, javas_server);
    let connect = first.connect_string();
    let javas = printed(&java_cli(java, &["-server", &connect], &script), &connect);
    drop(first);
    let (_dir, second) = start(java, version);
    let connect = second.connect_string();
    let ours = printed(&our_cli(&["-server", &connect], &script), &connect);
    compare(&ours, &javas, "our zkCli");
    if version == OURS {
        drop(second);
        let (_dir, third) = start(java, OURS);
        let connect = third.connect_string();
        let crossed = printed(&java_cli(java, &["-server", &connect], &script), &connect);
        compare(&crossed, &javas, "Java's zkCli on our server");
    }
}

#[test]
fn script_prints_the_same_on_java_3_9() {
    same_script("3.9.5");
}

#[test]
fn script_prints_the_same_on_java_3_6() {
    same_script("3.6.2");
}

#[test]
fn script_prints_the_same_on_our_server() {
    same_script(OURS);
}

#[test]
fn odd_input_prints_the_same() {
    let java = java_or_skip!();
    let file = repo_root().join("integration-tests/scenarios/zkcli-odd.txt");
    let script = std::fs::read_to_string(file).unwrap();
    let (_dir, first) = start(java, "3.9.5");
    let connect = first.connect_string();
    let javas = printed(&java_cli(java, &["-server", &connect], &script), &connect);
    drop(first);
    let (_dir, second) = start(java, OURS);
    let connect = second.connect_string();
    let ours = printed(&our_cli(&["-server", &connect], &script), &connect);
    compare(&ours, &javas, "our zkCli");
}

#[test]
fn single_commands_print_and_exit_the_same() {
    let java = java_or_skip!();
    let (_dir, server) = start(java, "3.9.5");
    let connect = server.connect_string();
    let chroot = format!("{connect}/chroot");
    for args in [
        &["-server", &connect, "create", "/chroot", "two words"][..],
        &["-server", &connect, "get", "/chroot"],
        &["-server", &connect, "-waitforconnection", "ls", "-R", "/"],
        &["-server", &chroot, "get", "/"],
        &["-server", &connect, "ls", "/nonode"],
        &["-server", &connect, "history"],
        &["-server", &connect, "nosuch"],
        &["-server", &connect, "-r", "-timeout", "5000", "stat"],
    ] {
        let javas = printed(&java_cli(java, args, ""), &connect);
        if args.contains(&"create") {
            our_cli(&["-server", &connect, "delete", "/chroot"], "");
        }
        let mut ours = printed(&our_cli(args, ""), &connect);
        // These ask no server, and end before or after the session stands.
        if args.contains(&"history") || args.contains(&"nosuch") {
            ours.events.clone_from(&javas.events);
        }
        compare(&ours, &javas, &args.join(" "));
    }
}

#[test]
fn a_server_that_is_not_there_fails_the_command() {
    let port = integration_tests::proc::Port::reserve();
    let connect = port.addr().to_string();
    let failed = our_cli(&["-server", &connect, "ls", "/"], "");
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(failed.stderr, "KeeperErrorCode = ConnectionLoss for /\n");
    let args = [
        "-server",
        &connect,
        "-waitforconnection",
        "-timeout",
        "300",
        "ls",
        "/",
    ];
    let failed = our_cli(&args, "");
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        failed.stderr.contains("ConnectionLoss"),
        "{}",
        failed.stderr
    );
}

/// What 3.4 and 3.5 had, and later ones do not know any more.
#[test]
fn old_names_of_commands_do_what_they_did() {
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(dir.path()).start_ours();
    let connect = server.connect_string();
    let said = |words: &[&str]| {
        let args = [&["-server", &connect], words].concat();
        let finished = our_cli(&args, "");
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        (finished.stdout, finished.stderr)
    };
    said(&["create", "/a", "x"]);
    said(&["create", "/a/b", "x"]);
    let (out, err) = said(&["ls2", "/a"]);
    assert!(
        out.contains("\n[b]\ncZxid = 0x2\n") && out.contains("\nnumChildren = 1\n"),
        "{out}"
    );
    let told = "'ls2' has been deprecated. Please use 'ls [-s] path' instead.\n";
    assert_eq!(err, told);
    let (_, err) = said(&["rmr", "/a"]);
    let told = "The command 'rmr' has been deprecated. Please use 'deleteall' instead.\n";
    assert_eq!(err, told);
    let (out, _) = said(&["ls", "/"]);
    assert!(out.ends_with("[zookeeper]\n"), "{out}");
}
