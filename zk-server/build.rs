//! Tells the program its commit and date, for the version line that operators' tools read.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../.git/HEAD");
    println!("cargo:rerun-if-changed=../.git/logs/HEAD");
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| env!("CARGO_PKG_VERSION").into());
    let date = git(&[
        "log",
        "-1",
        "--date=format-local:%Y-%m-%d %H:%M",
        "--format=%cd",
    ]);
    let date = date.unwrap_or_else(|| "an unknown date".into());
    println!("cargo:rustc-env=BUILD_COMMIT={commit}");
    println!("cargo:rustc-env=BUILD_DATE={date} UTC");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .env("TZ", "UTC")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
