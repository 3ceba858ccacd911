//! Keeps the disk away from the threads of connections: sendfile reads what is not in memory itself,
//! and everyone on that thread would wait with it. Before bytes of a file are sent, a few of them are
//! asked for without waiting; where they are not there, a thread that may block reads them first.
//! Decides nothing about what is sent. (Java's network threads wait for the disk, KAFKA-7504.)

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::sync::Semaphore;

/// Distance of the bytes that are looked at: what the kernel reads ahead at once.
const STEP: usize = 128 << 10;

/// Read beyond what is asked for, because a consumer goes on there.
const AHEAD: usize = 2 << 20;

/// Reads of all connections at a time: enough for a disk to have a queue.
const READERS: usize = 16;

/// How many of `len` bytes from `position` on can be sent without the disk.
pub(super) fn in_memory(file: &File, position: u64, len: usize) -> usize {
    let mut known = 0;
    while known < len {
        // the last byte too: a step may end in the middle of what was read ahead
        let next = (known + STEP).min(len);
        let first = known == 0 && is_cold(file, position);
        if first || is_cold(file, position + next as u64 - 1) {
            return known;
        }
        known = next;
    }
    len
}

/// Only a clear answer counts: file systems that cannot tell are sent from as they are.
fn is_cold(file: &File, position: u64) -> bool {
    let mut byte = [0];
    let asked = preadv2(
        file,
        &mut [IoSliceMut::new(&mut byte)],
        position,
        ReadWriteFlags::NOWAIT,
    );
    asked == Err(Errno::AGAIN)
}

/// Reading under way; it ends when the bytes are in memory, or cannot be read.
pub(super) type Loading = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The threads that read, shared by all connections.
#[derive(Debug, Clone)]
pub(super) struct Readers(Arc<Semaphore>);

impl Default for Readers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(READERS)))
    }
}

impl Readers {
    /// Errors are left to sendfile, which meets them again.
    pub(super) fn load(&self, file: Arc<File>, position: u64, len: usize) -> Loading {
        let readers = self.0.clone();
        Box::pin(async move {
            let _turn = readers.acquire_owned().await;
            let _ = tokio::task::spawn_blocking(move || read(&file, position, len)).await;
        })
    }
}

fn read(file: &File, position: u64, len: usize) -> io::Result<()> {
    if let (Ok(offset), Ok(len)) = (i64::try_from(position), i64::try_from(len + AHEAD)) {
        // everything is on its way at once; the reads below wait for it
        let will_need = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
        let _ = posix_fadvise(file, offset, len, will_need);
    }
    let mut buffer = vec![0; STEP.min(len)];
    let end = position + len as u64;
    let mut at = position;
    while at < end {
        let wanted = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        match file.read_at(&mut buffer[..wanted], at)? {
            0 => break,
            read => at += read as u64,
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file of which nothing is in memory; `None` where the file system keeps it there (tmpfs).
    pub(in super::super) fn cold_file(bytes: &[u8]) -> Option<Arc<File>> {
        // beside the programs: folders for temporary files are often in memory
        let beside = std::env::current_exe().ok()?.parent()?.to_owned();
        let file = tempfile::tempfile_in(beside).ok()?;
        file.write_all_at(bytes, 0).ok()?;
        file.sync_all().ok()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).ok()?;
        is_cold(&file, 0).then(|| Arc::new(file))
    }

    #[tokio::test]
    async fn what_is_not_in_memory_is_seen_and_read() {
        let bytes = vec![7; 3 * STEP + 5];
        let warm = tempfile::tempfile().unwrap();
        warm.write_all_at(&bytes, 0).unwrap();
        assert_eq!(in_memory(&warm, 0, bytes.len()), bytes.len());
        let Some(cold) = cold_file(&bytes) else {
            return;
        };
        assert_eq!(in_memory(&cold, 0, bytes.len()), 0);
        let readers = Readers::default();
        readers.load(cold.clone(), 0, bytes.len()).await;
        assert_eq!(in_memory(&cold, 0, bytes.len()), bytes.len());
    }

    #[tokio::test]
    async fn a_piece_that_is_missing_in_the_middle_is_seen() {
        let bytes = vec![7; 64 * STEP];
        let Some(cold) = cold_file(&bytes) else {
            return;
        };
        // without what the kernel reads ahead by itself
        posix_fadvise(&*cold, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM).unwrap();
        cold.read_exact_at(&mut vec![0; 2 * STEP], 0).unwrap();
        let known = in_memory(&cold, 0, bytes.len());
        assert!((2 * STEP..=4 * STEP).contains(&known), "{known}");
    }
}
