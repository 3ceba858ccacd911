//! A log file that is renamed to `NAME.1`, `NAME.2`, ... when it has grown to its limit (log4j's
//! `RollingFileAppender`).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    len: u64,
    max_bytes: u64,
    max_files: u32,
}

impl RotatingFile {
    /// Opens for appending; missing folders are made.
    pub(super) fn open(path: &Path, max_bytes: u64, max_files: u32) -> io::Result<Self> {
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir)?;
        }
        let file = append(path)?;
        Ok(Self {
            len: file.metadata()?.len(),
            path: path.to_owned(),
            file,
            max_bytes,
            max_files,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let size = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.len > 0 && self.len.saturating_add(size) > self.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.len += size;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..=self.max_files).rev() {
            let from = match number {
                1 => self.path.clone(),
                _ => self.numbered(number - 1),
            };
            match std::fs::rename(&from, self.numbered(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.max_files == 0 {
            std::fs::remove_file(&self.path)?;
        }
        self.file = append(&self.path)?;
        self.len = self.file.metadata()?.len();
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_move_on_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/server.log");
        let mut file = RotatingFile::open(&path, 10, 2).unwrap();
        for line in ["one...\n", "two...\n", "three.\n", "four..\n"] {
            file.write(line.as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join("logs").join(name)).ok();
        assert_eq!(read("server.log").as_deref(), Some("four..\n"));
        assert_eq!(read("server.log.1").as_deref(), Some("three.\n"));
        assert_eq!(read("server.log.2").as_deref(), Some("two...\n"));
        assert_eq!(read("server.log.3"), None);
        let mut again = RotatingFile::open(&path, 10, 2).unwrap();
        again.write(b"five..\n").unwrap();
        assert_eq!(read("server.log.1").as_deref(), Some("four..\n"));
    }
}
