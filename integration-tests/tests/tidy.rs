//! What the whole repository keeps to and no compiler checks: headers, lengths of files, which crate
//! may know what, a reason for each dependency. Reads files only.
#![allow(clippy::disallowed_methods, reason = "reads the repository")]

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file. A longer one says why with a line `//! Long because ...` in its header.
const LONG: usize = 700;
/// No reason is good enough for more.
const TOO_LONG: usize = 1000;

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("a workspace around").to_owned()
}

/// Path from the root, and text, of the files below `folder` that `wanted` names by extension.
fn files(folder: &str, wanted: &[&str]) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let name = path
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            if path.is_dir() {
                // What is built or fetched, and what Apache's programs wrote.
                if !name.starts_with('.') && name != "target" && name != "golden" {
                    folders.push(path);
                }
                continue;
            }
            let extension = path
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            if wanted.contains(&extension) {
                let text = fs::read_to_string(&path).expect("UTF-8");
                let path = path.strip_prefix(&root).expect("below the root");
                found.push((path.display().to_string(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} has files");
    found
}

const MEMBERS: [&str; 4] = ["proto", "zk-server", "broker", "integration-tests"];

fn sources(folder: &str) -> Vec<(String, String)> {
    files(folder, &["rs"])
}

fn all_sources() -> impl Iterator<Item = (String, String)> {
    MEMBERS.iter().flat_map(|member| sources(member))
}

/// Complains about all of them at once.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Every line of the sources in `folder` with one of these words.
fn lines_with(folder: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources(folder) {
        for (n, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) && !line.trim().starts_with("//") {
                found.push(format!("{path}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn every_file_begins_with_what_it_is() {
    none(
        all_sources()
            .filter(|(_, text)| !text.starts_with("//! "))
            .map(|(path, _)| format!("{path}: the first line is not a `//!` comment"))
            .collect(),
    );
}

#[test]
fn files_are_short() {
    none(
        all_sources()
            .filter_map(|(path, text)| {
                let lines = text.lines().count();
                let header = text.lines().take_while(|line| line.starts_with("//!"));
                let excused = header
                    .into_iter()
                    .any(|line| line.starts_with("//! Long because "));
                let limit = if excused { TOO_LONG } else { LONG };
                (lines > limit).then(|| format!("{path}: {lines} lines, more than {limit}"))
            })
            .collect(),
    );
}

/// The oldest compiler has no chains of `if let`, and the lints of newer ones do not tell.
#[test]
fn the_oldest_compiler_can_read_it() {
    let chained = |lines: &[&str]| {
        let (first, then) = (lines[0].trim(), lines[1].trim());
        let begins = first.starts_with("if let ") || first.contains("while let ");
        then.starts_with("&& let ") || begins && then.starts_with("&& ")
    };
    none(
        all_sources()
            .filter(|(_, text)| {
                let lines: Vec<&str> = text.lines().collect();
                lines.windows(2).any(chained)
            })
            .map(|(path, _)| format!("{path}: a chain of `if let`"))
            .collect(),
    );
}

#[test]
fn nothing_is_left_undone() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("unimpl", "emented!("),
        concat!("to", "do!("),
    ];
    none(
        MEMBERS
            .iter()
            .flat_map(|folder| files(folder, &["rs", "sh", "toml", "md", "py", "java"]))
            .chain(files("scripts", &["sh"]))
            .flat_map(|(path, text)| {
                let hits = text
                    .lines()
                    .enumerate()
                    .filter(|(_, l)| marks.iter().any(|m| l.contains(m)));
                hits.map(|(n, l)| format!("{path}:{}: {l}", n + 1))
                    .collect::<Vec<_>>()
            })
            .collect(),
    );
}

#[test]
fn the_broker_knows_nothing_of_zk_server() {
    for member in ["broker", "proto", "proto/driver"] {
        let manifest = root().join(member).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).expect("a manifest");
        assert!(
            !manifest.contains("zk-server"),
            "{member} depends on zk-server"
        );
    }
    none(lines_with("broker", &["zk_server::"]));
}

#[test]
fn proto_does_no_io_and_reads_no_clock() {
    let mut found = lines_with(
        "proto/src",
        &[
            "std::fs",
            "std::env",
            "std::process",
            "std::thread",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "ToSocketAddrs",
            "tokio",
            "Instant",
            "SystemTime",
        ],
    );
    // Tests read what Apache's programs wrote.
    found.retain(|line| !line.contains("tests.rs:") && !line.contains("tests/"));
    none(found);
    let manifest = fs::read_to_string(root().join("proto/Cargo.toml")).expect("a manifest");
    for crate_name in ["tokio", "nix", "socket2", "getrandom", "hyper"] {
        assert!(
            !manifest.contains(crate_name),
            "proto depends on {crate_name}"
        );
    }
}

/// The names on the left of a section of a manifest.
fn section(manifest: &str, name: &str) -> Vec<(String, String)> {
    let heading = format!("[{name}]");
    manifest
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .filter(|(name, _)| !name.starts_with('#'))
        .collect()
}

#[test]
fn each_dependency_has_its_reason() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("a file of the workspace");
    let architecture = read("ARCHITECTURE.md");
    let reasons = architecture
        .split("\n## ")
        .find(|part| part.starts_with("Dependencies\n"))
        .expect("a section Dependencies");
    // The first column: names, with remarks in parentheses.
    let named: Vec<&str> = reasons
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|cell| cell.split([',', ' ', '(', ')']))
        .collect();
    let mut complaints = Vec::new();
    for (name, value) in section(&read("Cargo.toml"), "workspace.dependencies") {
        if !value.contains("path =") && !named.contains(&&*name) {
            complaints.push(format!(
                "{name} has no line in ARCHITECTURE.md, \"Dependencies\""
            ));
        }
    }
    for member in MEMBERS.iter().chain(&["proto/driver"]) {
        let manifest = read(&format!("{member}/Cargo.toml"));
        for part in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, _) in section(&manifest, part) {
                if !name.ends_with(".workspace") {
                    complaints.push(format!("{member} gives {name} a version of its own"));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn packages_come_from_where_everyone_gets_them() {
    const CRATES: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let mut complaints = Vec::new();
    for lock in ["Cargo.lock", "integration-tests/fuzz/Cargo.lock"] {
        let text = fs::read_to_string(root().join(lock)).expect("a lock file");
        let sources = text
            .lines()
            .filter_map(|line| line.strip_prefix("source = "));
        let others = sources.filter(|source| source.trim_matches('"') != CRATES);
        complaints.extend(others.map(|source| format!("{lock}: {source}")));
    }
    // Settings of other registries, of cargo, Maven, pip and Go.
    let settings = [
        concat!("<repos", "itory>"),
        concat!("<mir", "ror>"),
        concat!("index", "-url"),
        concat!("GOP", "ROXY"),
        concat!("[source", "."),
    ];
    let texts = files(
        "integration-tests",
        &["rs", "sh", "xml", "toml", "py", "txt", "mod"],
    );
    for (path, text) in texts.into_iter().chain(files("scripts", &["sh"])) {
        for setting in settings {
            if text.contains(setting) {
                complaints.push(format!("{path}: {setting}"));
            }
        }
    }
    if root().join(".cargo").exists() {
        complaints.push(".cargo: the workspace needs no settings of its own".to_owned());
    }
    none(complaints);
}
