//! Limits of the process: open files. Raised as far as the system allows without privileges.
//! Never lowers anything. (Java's virtual machine does the same, `-XX:+MaxFDLimit`.)

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many files may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    pub soft: u64,
    pub hard: u64,
}

/// Raises the soft limit of open files to the hard one and tells what holds now.
pub fn raise_open_files() -> nix::Result<OpenFiles> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(OpenFiles { soft, hard })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let files = super::raise_open_files().unwrap();
        assert_eq!(files.soft, files.hard);
    }
}
