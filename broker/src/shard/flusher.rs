//! The thread that waits for the disk, so that shards need not: fsyncs of rolled segments.

use std::sync::mpsc;
use std::thread::JoinHandle;

use super::command::Command;
use crate::log::{FlushJob, TopicPartition};

pub(super) struct FlushTask {
    pub(super) partition: TopicPartition,
    pub(super) job: FlushJob,
    /// the shard to report to
    pub(super) shard: tokio::sync::mpsc::WeakSender<Command>,
}

/// Starts the thread; it ends when all senders are gone.
pub(super) fn start() -> std::io::Result<(mpsc::Sender<FlushTask>, JoinHandle<()>)> {
    let (tasks, inbox) = mpsc::channel::<FlushTask>();
    let thread = std::thread::Builder::new()
        .name("log-flush".into())
        .spawn(move || {
            for task in inbox {
                let result = task.job.run();
                if let Some(shard) = task.shard.upgrade() {
                    let done = Command::Flushed {
                        partition: task.partition,
                        ticket: task.job.ticket(),
                        result,
                    };
                    // A shard that has ended has flushed by itself.
                    let _ = shard.blocking_send(done);
                }
            }
        })?;
    Ok((tasks, thread))
}
