//! The scripts of the README on a machine that has next to nothing: they name what is missing and how to get
//! it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: runs scripts"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use integration_tests::proc::{Finished, repo_root, run};

/// What every Debian machine has, as far as the scripts need it before they build.
const TOOLS: [&str; 12] = [
    "bash", "cat", "cut", "dirname", "grep", "head", "readlink", "sed", "sort", "tail", "tr",
    "uname",
];

fn program(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A script by a user without rights, on a machine with these programs beside the tools.
fn on_a_bare_machine(script: &str, programs: &[(&str, &str)]) -> Finished {
    let dir = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for tool in TOOLS {
        let mut places = std::env::split_paths(&path).map(|place| place.join(tool));
        let found = places.find(|place| place.exists()).expect(tool);
        symlink(found, dir.path().join(tool)).unwrap();
    }
    program(dir.path(), "id", "echo 1000");
    for (name, text) in programs {
        program(dir.path(), name, text);
    }
    // A checkout in which nothing was built.
    let scripts = dir.path().join("checkout/scripts");
    fs::create_dir_all(&scripts).unwrap();
    for name in [script, "setup.sh"] {
        fs::copy(repo_root().join("scripts").join(name), scripts.join(name)).unwrap();
    }
    let manifest = dir.path().join("checkout/Cargo.toml");
    fs::copy(repo_root().join("Cargo.toml"), manifest).unwrap();
    let mut command = Command::new(scripts.join(script));
    command.env_clear();
    command.env("PATH", dir.path()).env("HOME", dir.path());
    command.env("QUICKSTART_DIR", dir.path().join("data"));
    if script == "install.sh" {
        command.arg("--prefix").arg(dir.path());
    }
    run(command, b"")
}

#[test]
fn a_missing_compiler_is_named_with_the_command_that_installs_it() {
    let apt = ("apt-get", "exit 1");
    let said = on_a_bare_machine("quickstart.sh", &[apt]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    let command = "Install it with: sudo apt-get install -y gcc libc6-dev rustc";
    assert!(said.stderr.contains(command), "{said:?}");
    let said = on_a_bare_machine("install.sh", &[]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(said.stderr.contains("There is no apt-get here"), "{said:?}");
    // Who has sudo and an old compiler gets a new one.
    let sudo = (
        "sudo",
        "[ \"$1\" = -n ] && exit; echo \"as root: $*\"; exit 7",
    );
    let old = [("cc", ""), ("cargo", ""), ("rustc", "echo rustc 1.63.0")];
    let said = on_a_bare_machine("quickstart.sh", &[&[apt, sudo][..], &old].concat());
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(said.stdout.contains("as root: apt-get update"), "{said:?}");
}
