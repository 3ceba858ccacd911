//! Where the programs under test lie. Never builds anything: `scripts/test.sh` does that first.

use std::path::{Path, PathBuf};

/// The checkout that these tests belong to.
pub fn repo_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
}

/// cargo's output folder.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => repo_root().join(dir),
        None => repo_root().join("target"),
    }
}

/// One of our programs: from the folder that `TEST_BIN_DIR` names, else the newest build.
pub fn binary(name: &str) -> PathBuf {
    if let Some(dir) = std::env::var_os("TEST_BIN_DIR") {
        let path = Path::new(&dir).join(name);
        assert!(path.exists(), "TEST_BIN_DIR has no {name}");
        return path;
    }
    ["release", "debug"]
        .map(|profile| target_dir().join(profile).join(name))
        .into_iter()
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max()
        .map(|(_, path)| path)
        .unwrap_or_else(|| panic!("{name} is not built: run `cargo build --release`"))
}
