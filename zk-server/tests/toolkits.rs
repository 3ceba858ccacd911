//! The command line tools on files that Java wrote, against what Java's tools said about them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read and write files"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TXNLOG: &str = env!("CARGO_BIN_EXE_zk-txnlog");
const SNAPSHOT: &str = env!("CARGO_BIN_EXE_zk-snapshot");
const CLEANUP: &str = env!("CARGO_BIN_EXE_zk-cleanup");

fn golden(writer: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../integration-tests/golden")
        .join(writer)
}

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .env("TZ", "UTC")
        .output()
        .unwrap()
}

fn stdout(program: &str, args: &[&str]) -> String {
    let output = run(program, args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Compares with a golden text and shows the first line that differs.
fn same(ours: &str, text: &Path) {
    let java = fs::read_to_string(text).unwrap();
    for (n, (ours, java)) in ours.lines().zip(java.lines()).enumerate() {
        assert_eq!(ours, java, "{}, line {}", text.display(), n + 1);
    }
    assert_eq!(ours.len(), java.len(), "{}", text.display());
}

fn files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    let paths = entries.map(|e| e.unwrap().path());
    let name = |p: &PathBuf| p.file_name().unwrap().to_str().unwrap().to_owned();
    paths.filter(|p| name(p).starts_with(prefix)).collect()
}

#[test]
fn logs_are_dumped_as_java_dumps_them() {
    for writer in ["zk-3.6.2", "zk-3.9.5"] {
        let dir = golden(writer);
        for log in files(&dir.join("data/version-2"), "log.") {
            let name = log.file_name().unwrap().to_str().unwrap();
            let text = dir.join(format!("text/{name}.txt"));
            same(&stdout(TXNLOG, &[log.to_str().unwrap()]), &text);
            same(&stdout(TXNLOG, &["-d", log.to_str().unwrap()]), &text);
        }
    }
}

#[test]
fn snapshots_are_printed_as_java_prints_them() {
    for writer in ["zk-3.6.2", "zk-3.9.5"] {
        let dir = golden(writer);
        let mut snapshots = files(&dir.join("data/version-2"), "snapshot.");
        snapshots.extend(files(&dir, "snapshot."));
        for path in snapshots {
            let name = path.file_name().unwrap().to_str().unwrap();
            let text = |kind: &str| dir.join(format!("text/{name}.{kind}"));
            let path = path.to_str().unwrap();
            same(&stdout(SNAPSHOT, &[path]), &text("txt"));
            same(&stdout(SNAPSHOT, &["-d", path]), &text("d.txt"));
            let json = stdout(SNAPSHOT, &["-json", path]);
            let (head, tail) = json.split_once("\"timestamp\":").unwrap();
            let tail = tail.trim_start_matches(|c: char| c.is_ascii_digit());
            same(&format!("{head}\"timestamp\":0{tail}"), &text("json"));
        }
    }
}

#[test]
fn a_wrong_checksum_is_shown_and_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.1d");
    let bytes = fs::read(golden("zk-3.9.5").join("data/version-2/log.1d")).unwrap();
    let mut bad = bytes.clone();
    bad[16 + 7] ^= 1;
    fs::write(&log, &bad).unwrap();
    let log = log.to_str().unwrap();
    let text = stdout(TXNLOG, &[log]);
    assert!(
        text.lines().nth(1).unwrap().starts_with("CRC ERROR - "),
        "{text}"
    );
    let text = stdout(TXNLOG, &["-ry", log]);
    assert!(text.contains("\nCRC FIXED - "), "{text}");
    assert!(text.ends_with(&format!(
        "EOF reached after 32 txns.\nRecovery file {log}.fixed has been written with 1 fixed CRC \
         error(s)\n"
    )));
    let fixed = fs::read(format!("{log}.fixed")).unwrap();
    assert!(bytes.starts_with(&fixed) && fixed.len() > 1000);
    let again = run(TXNLOG, &["-ry", log]);
    assert_eq!(again.status.code(), Some(1));
    let message = String::from_utf8(again.stderr).unwrap();
    assert_eq!(
        message,
        format!("Recovery file {log}.fixed already exists or not writable\n")
    );
}

#[test]
fn a_log_is_chopped_after_a_zxid() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.1d");
    fs::copy(golden("zk-3.9.5").join("data/version-2/log.1d"), &log).unwrap();
    let log = log.to_str().unwrap();
    let text = stdout(TXNLOG, &["-c", log, "-z", "0x20"]);
    assert_eq!(
        text,
        "ZooKeeper Transactional Log File with dbid 0 txnlog format version 2\n\
         Chopping at 20 new log has 4 records\n"
    );
    let dump = stdout(TXNLOG, &[&format!("{log}.chopped32")]);
    assert!(dump.ends_with("EOF reached after 4 txns.\n"), "{dump}");
    let text = stdout(TXNLOG, &["--chop", "--zxid=1", log]);
    assert!(
        text.ends_with("This log does not contain zxid 1\nGot exception: Failed to chop log.1d\n")
    );
}

#[test]
fn a_damaged_log_is_cut_with_copies() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["log.1", "log.1d", "log.3d"] {
        let from = golden("zk-3.9.5").join("data/version-2").join(name);
        fs::copy(from, dir.path().join(name)).unwrap();
    }
    let log = dir.path().join("log.1d");
    let text = stdout(TXNLOG, &["--cut", log.to_str().unwrap()]);
    assert!(text.contains("is not damaged: 32 transactions"), "{text}");
    let mut bytes = fs::read(&log).unwrap();
    bytes[16 + 40] ^= 1;
    fs::write(&log, bytes).unwrap();
    let text = stdout(TXNLOG, &["--cut", log.to_str().unwrap()]);
    assert!(text.contains("held no whole transaction"), "{text}");
    assert!(!log.exists() && !dir.path().join("log.3d").exists());
    assert!(dir.path().join("damaged.log.3d").exists());
    assert!(dir.path().join("damaged.log.1d.at.16").exists());
}

#[test]
fn wrong_arguments_are_answered_as_java_answers_them() {
    let missing = run(TXNLOG, &["/nowhere/log.1"]);
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(missing.stderr).unwrap(),
        "File doesn't exist or not readable: /nowhere/log.1\n"
    );
    assert_eq!(run(TXNLOG, &[]).status.code(), Some(1));
    assert_eq!(run(TXNLOG, &["-h"]).status.code(), Some(0));
    assert_eq!(run(SNAPSHOT, &[]).status.code(), Some(2));
    let missing = run(SNAPSHOT, &["/nowhere/snapshot.1"]);
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(missing.stderr).unwrap(),
        "File '/nowhere/snapshot.1' does not exist.\n"
    );
    let few = run(CLEANUP, &["/", "-n", "2"]);
    assert_eq!(few.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(few.stderr).unwrap(),
        "count should be greater than or equal to 3\n"
    );
}

#[test]
fn summaries_and_comparisons() {
    let dir = golden("zk-3.9.5").join("data/version-2");
    let (old, new) = (dir.join("snapshot.1b"), dir.join("snapshot.3c"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let text = stdout(SNAPSHOT, &["recursive-summary", new, "/quota", "0"]);
    assert_eq!(text, " /quota\n   children: 1\n   data: 5\n\n");
    let args = ["comparer", "-l", old, "-r", new, "-b", "2", "-n", "1"];
    let text = stdout(SNAPSHOT, &args);
    let text_file = golden("zk-3.9.5").join("text/compare.1b.3c.txt");
    same(&text, &text_file);
    assert_eq!(run(SNAPSHOT, &args[..5]).status.code(), Some(2));
}

#[test]
fn cleanup_names_what_it_removes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("version-2");
    fs::create_dir(&data).unwrap();
    let from = golden("zk-3.9.5").join("data/version-2/snapshot.3c");
    for name in ["snapshot.1", "snapshot.2", "snapshot.3", "snapshot.4"] {
        fs::copy(&from, data.join(name)).unwrap();
    }
    fs::write(data.join("log.1"), "").unwrap();
    fs::write(data.join("log.2"), "").unwrap();
    let path = dir.path().to_str().unwrap();
    let text = stdout(CLEANUP, &[path, "-n", "3"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("Removing file: "));
    assert!(lines[0].ends_with(&format!("\t{path}/version-2/log.1")));
    assert!(lines[1].ends_with("snapshot.1") && !data.join("snapshot.1").exists());
}
