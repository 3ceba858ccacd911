//! Tests that cannot run here say so and are counted; where `CI=true` they fail instead.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "reports to the person who runs the tests"
)]

use std::io::Write;

/// Reports that a test does not run on this machine. `scripts/test.sh` counts the lines of the
/// file that `TEST_SKIP_FILE` names.
pub fn skipped(reason: &str) {
    let test = std::thread::current()
        .name()
        .unwrap_or("unnamed")
        .to_owned();
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{test} cannot run: {reason}; in CI a skip is a failure"
    );
    println!("SKIPPED: {test}: {reason}");
    if let Some(path) = std::env::var_os("TEST_SKIP_FILE") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("TEST_SKIP_FILE can be written");
        writeln!(file, "{test}: {reason}").expect("TEST_SKIP_FILE can be written");
    }
}
