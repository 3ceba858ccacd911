//! The lines of a zoo.cfg: defaults, and the lines of a test in the place of those with the same keys.
#![allow(clippy::disallowed_methods, reason = "writes configuration")]

use std::path::{Path, PathBuf};

/// What stands before the `=`.
pub(super) fn key(line: &str) -> &str {
    line.split('=').next().unwrap_or(line)
}

/// Writes `dir/zoo.cfg`. A line takes the place of an earlier one with its key; a key alone only takes
/// that one out.
pub(super) fn write<'a>(
    dir: &Path,
    mut lines: Vec<String>,
    of_the_test: impl Iterator<Item = &'a String>,
) -> PathBuf {
    for line in of_the_test {
        lines.retain(|known| key(known) != key(line));
        if line.contains('=') {
            lines.push(line.clone());
        }
    }
    lines.push(String::new());
    std::fs::create_dir_all(dir.join("data")).expect("the data folder can be made");
    let path = dir.join("zoo.cfg");
    std::fs::write(&path, lines.join("\n")).expect("zoo.cfg can be written");
    path
}
