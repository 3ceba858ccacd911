//! The control thread: timers of all logs, checkpoint files, removal of directories. Mirrors the
//! background tasks of Java's `LogManager`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::command::{Checkpointed, Command};
use super::manager::{Dirs, LogManagerSettings};
use super::shards::Shards;
use crate::log::checkpoint::{self, Offsets};
use crate::log::{Doomed, file};

/// What the control thread is told.
pub(super) enum Event {
    /// a recovery point fell
    CheckpointRecoveryPoints,
    /// a renamed directory is to be removed
    RemoveDir(PathBuf),
    /// renamed files are to be removed
    RemoveFiles(Vec<Doomed>),
    /// a log in this directory could not be written
    DirFailed(PathBuf),
    /// end the thread
    Stop,
}

/// Asks all shards and puts their answers together.
pub(super) fn ask(
    shards: &Shards,
    command: impl Fn(mpsc::Sender<Vec<Checkpointed>>) -> Command,
) -> Vec<Checkpointed> {
    let (reply, answers) = mpsc::channel();
    for sender in shards.senders() {
        let _ = sender.blocking_send(command(reply.clone()));
    }
    drop(reply);
    answers.into_iter().flatten().collect()
}

fn tell(shards: &Shards, command: impl Fn() -> Command) {
    for sender in shards.senders() {
        let _ = sender.blocking_send(command());
    }
}

/// What the checkpoint files say, so that the same need not be written again.
pub(super) type Written = HashMap<(PathBuf, &'static str), Offsets>;

pub(super) fn write_checkpoints(
    dir: &Path,
    logs: &[Checkpointed],
    names: &[&'static str],
    written: &mut Written,
) -> std::io::Result<()> {
    let here = logs.iter().filter(|l| l.dir.parent() == Some(dir));
    for &name in names {
        let of = |l: &Checkpointed| match name {
            checkpoint::RECOVERY_POINT => Some(l.offsets.recovery_point),
            checkpoint::HIGH_WATERMARK => Some(l.offsets.high_watermark),
            // A start that the first segment's name tells needs no entry.
            _ => (l.offsets.log_start > l.first_segment).then_some(l.offsets.log_start),
        };
        let offsets: Offsets = here
            .clone()
            .filter_map(|l| Some((l.partition.clone(), of(l)?)))
            .collect();
        let key = (dir.to_owned(), name);
        if written.get(&key) != Some(&offsets) {
            checkpoint::write_offsets(dir, name, &offsets)?;
            written.insert(key, offsets);
        }
    }
    Ok(())
}

/// A thing to do again and again.
struct Timer {
    every: Duration,
    due: Option<Instant>,
}

impl Timer {
    /// First after `initial`, as the scheduled tasks of Java's `LogManager`.
    fn new(initial: Duration, every: Duration) -> Self {
        Self {
            every,
            due: Instant::now().checked_add(initial),
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            // an interval of 0 means once, as in KafkaScheduler
            let again = !self.every.is_zero();
            self.due = again.then(|| now.checked_add(self.every)).flatten();
        }
        due
    }
}

/// The control thread: timers, checkpoints, removal of directories.
pub(super) fn control(
    inbox: &mpsc::Receiver<Event>,
    dirs: &Dirs,
    shards: &Shards,
    settings: &LogManagerSettings,
) {
    let later = |every| Timer::new(settings.initial_task_delay, every);
    let again = |every| Timer::new(every, every);
    let mut retention = later(settings.retention_check_interval);
    let mut flush = later(settings.flush_check_interval);
    let mut recovery = later(settings.recovery_checkpoint_interval);
    let mut starts = later(settings.start_offset_checkpoint_interval);
    let mut marks = again(settings.high_watermark_checkpoint_interval);
    let mut producers = again(settings.producer_expiration_check_interval);
    let mut doomed: Vec<(Instant, Removal)> = Vec::new();
    let mut written = Written::new();
    loop {
        let timers = [&retention, &flush, &recovery, &starts, &marks, &producers];
        let next = timers
            .iter()
            .filter_map(|t| t.due)
            .chain(doomed.iter().map(|d| d.0))
            .min();
        let wait = next.map_or(Duration::from_secs(60), |due| {
            due.saturating_duration_since(Instant::now())
        });
        let event = inbox.recv_timeout(wait);
        let now = Instant::now();
        let mut names = Vec::new();
        match event {
            Ok(Event::CheckpointRecoveryPoints) => names.push(checkpoint::RECOVERY_POINT),
            Ok(Event::RemoveDir(dir)) => {
                doomed.push((now + settings.file_delete_delay, Removal::Dir(dir)));
            }
            Ok(Event::RemoveFiles(files)) => doomed.extend(files.into_iter().filter_map(|file| {
                let delay = Duration::from_millis(file.delay_ms.max(0) as u64);
                // A time that no clock reaches: left to the next start.
                Some((now.checked_add(delay)?, Removal::File(file)))
            })),
            Ok(Event::DirFailed(dir)) => fail_dir(&dir, dirs, shards),
            Ok(Event::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if retention.is_due(now) {
            tell(shards, || Command::Retain);
        }
        if flush.is_due(now) {
            tell(shards, || Command::FlushDue);
        }
        if producers.is_due(now) {
            tell(shards, || Command::ExpireProducers);
        }
        for (timer, name) in [
            (&mut recovery, checkpoint::RECOVERY_POINT),
            (&mut starts, checkpoint::LOG_START),
            (&mut marks, checkpoint::HIGH_WATERMARK),
        ] {
            if timer.is_due(now) {
                names.push(name);
            }
        }
        if !names.is_empty() {
            let logs = ask(shards, |reply| Command::Collect { reply });
            for dir in dirs.log_dirs.paths().filter(|dir| !dirs.has_failed(dir)) {
                if let Err(e) = write_checkpoints(dir, &logs, &names, &mut written) {
                    tracing::error!("Checkpoints of {} could not be written: {e}", dir.display());
                    fail_dir(dir, dirs, shards);
                }
            }
        }
        remove_due(&mut doomed, now);
    }
}

/// Nothing more is written there until the next start (Java: `LogManager.handleLogDirFailure`).
fn fail_dir(dir: &Path, dirs: &Dirs, shards: &Shards) {
    if dirs.fail(dir) {
        tracing::warn!(
            "Stopping serving logs in dir {}: no more appends to any of them",
            dir.display()
        );
        tell(shards, || Command::FailDir(dir.to_owned()));
    }
}

/// What is gone for clients and not yet for the disk.
enum Removal {
    Dir(PathBuf),
    File(Doomed),
}

impl Removal {
    fn carry_out(&self) {
        match self {
            Self::File(file) => file.remove(),
            Self::Dir(dir) => match file::remove_dir(dir) {
                Ok(()) => tracing::info!("Deleted log directory {}", dir.display()),
                Err(e) => tracing::error!("{e}; it stays until the next start"),
            },
        }
    }
}

fn remove_due(doomed: &mut Vec<(Instant, Removal)>, now: Instant) {
    doomed.retain(|(due, removal)| {
        let wait = *due > now;
        if !wait {
            removal.carry_out();
        }
        wait
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_begin_after_their_delay_and_repeat() {
        let (delay, every) = (Duration::from_secs(30), Duration::from_secs(5));
        let mut timer = Timer::new(delay, every);
        let start = timer.due.unwrap();
        assert!(!timer.is_due(start - Duration::from_millis(1)));
        assert!(timer.is_due(start));
        assert!(!timer.is_due(start));
        assert!(timer.is_due(start + every));
        let mut once = Timer::new(delay, Duration::ZERO);
        assert!(once.is_due(start + every));
        assert_eq!(once.due, None);
        assert_eq!(Timer::new(Duration::MAX, Duration::MAX).due, None);
    }
}
