//! What the process is and where it runs: the version line, and the entries of `envi` (Java:
//! `Environment`, `Version`). Entries of a JVM are `<NA>`, as Java prints what it does not know.

use nix::unistd::{Uid, User, gethostname};

/// The ZooKeeper whose behaviour this server has.
pub const ZOOKEEPER: &str = "3.9.5";

/// `3.9.5-COMMIT, built on DATE`
pub fn full_version() -> &'static str {
    concat!(
        "3.9.5-",
        env!("BUILD_COMMIT"),
        ", built on ",
        env!("BUILD_DATE")
    )
}

/// Version and date as `zkServer.sh version` prints them (Java: `VersionInfoMain`).
pub fn version_line() -> &'static str {
    concat!("3.9.5-", env!("BUILD_COMMIT"), " ", env!("BUILD_DATE"))
}

/// The name of this machine, `localhost` when it has none.
pub fn host_name() -> String {
    let name = gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// Names and values in Java's order.
pub fn entries() -> Vec<(&'static str, String)> {
    let user = User::from_uid(Uid::effective()).ok().flatten();
    let system = nix::sys::utsname::uname().ok();
    let na = || "<NA>".to_owned();
    let dir = std::env::current_dir();
    let memory = Memory::read();
    let megabytes = |kilobytes: u64| format!("{}MB", kilobytes >> 10);
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        arch => arch,
    };
    vec![
        ("zookeeper.version", full_version().to_owned()),
        ("host.name", host_name()),
        ("java.version", na()),
        ("java.vendor", na()),
        ("java.home", na()),
        ("java.class.path", na()),
        ("java.library.path", na()),
        ("java.io.tmpdir", std::env::temp_dir().display().to_string()),
        ("java.compiler", na()),
        (
            "os.name",
            system.map_or_else(na, |s| s.sysname().to_string_lossy().into_owned()),
        ),
        ("os.arch", arch.to_owned()),
        (
            "os.version",
            system.map_or_else(na, |s| s.release().to_string_lossy().into_owned()),
        ),
        (
            "user.name",
            user.as_ref().map_or_else(na, |user| user.name.clone()),
        ),
        (
            "user.home",
            user.as_ref()
                .map_or_else(na, |user| user.dir.display().to_string()),
        ),
        (
            "user.dir",
            dir.map_or_else(|_| na(), |dir| dir.display().to_string()),
        ),
        ("os.memory.free", megabytes(memory.available)),
        ("os.memory.max", megabytes(memory.total)),
        ("os.memory.total", megabytes(memory.resident)),
    ]
}

/// Kilobytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// of the machine
    pub total: u64,
    /// of the machine, for programs
    pub available: u64,
    /// of this process
    pub resident: u64,
}

impl Memory {
    pub fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (machine, process) = (read("/proc/meminfo"), read("/proc/self/status"));
        Self {
            total: line_kb(&machine, "MemTotal:"),
            available: line_kb(&machine, "MemAvailable:"),
            resident: line_kb(&process, "VmRSS:"),
        }
    }
}

fn line_kb(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

/// Files that this process has open.
pub fn open_file_count() -> u64 {
    match std::fs::read_dir("/proc/self/fd") {
        // Reading the folder opens one more.
        Ok(entries) => (entries.count() as u64).saturating_sub(1),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_the_names_of_java() {
        let names: Vec<&str> = entries().iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), 18);
        assert_eq!(
            (names[0], names[17]),
            ("zookeeper.version", "os.memory.total")
        );
        let memory = Memory::read();
        assert!(memory.total > memory.resident && memory.resident > 0);
        assert!(full_version().starts_with(ZOOKEEPER));
        assert!(open_file_count() > 2);
    }
}
