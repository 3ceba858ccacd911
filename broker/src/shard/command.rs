//! What travels to a shard and back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::records::Origin;
use tokio::sync::oneshot;

use super::hosted::Hosted;
use crate::log::{
    AppendInfo, Disk, FlushTicket, Isolation, LoadOptions, Log, LogError, Offsets, ReadPlan,
    TimestampAndOffset, TopicPartition,
};

/// Records to append to one partition.
#[derive(Debug, Clone)]
pub struct AppendItem {
    pub partition: TopicPartition,
    /// as the producer sent them
    pub records: Bytes,
}

#[derive(Debug)]
pub struct Appended {
    pub result: Result<AppendInfo, LogError>,
    /// after the append; zeros if the partition is not here
    pub offsets: Offsets,
    /// what the shard's thread spent on it
    pub took: Duration,
}

impl Appended {
    /// The time of an append that wrote records anew, nearly all of it for that, and their bytes.
    pub fn conversion(&self) -> Option<(Duration, usize)> {
        let bytes = self.result.as_ref().ok()?.converted?;
        Some((self.took, bytes))
    }
}

/// One partition of a fetch.
#[derive(Debug, Clone)]
pub struct ReadItem {
    pub partition: TopicPartition,
    pub offset: i64,
    pub max_bytes: usize,
    pub isolation: Isolation,
    /// the leader epoch that the reader knows; checked if given
    pub leader_epoch: Option<i32>,
    /// give the first batch even if it is larger than `max_bytes`
    pub min_one_batch: bool,
}

/// A fetch waits until this many bytes are there, an item fails, or time is over.
#[derive(Debug, Clone, Copy)]
pub struct ReadWait {
    pub min_bytes: usize,
    pub max_wait: Duration,
}

pub type ReadResults = Vec<Result<ReadPlan, LogError>>;

/// Rung once when one of the watched partitions shows more than was seen, from the shard's thread:
/// it must not block.
pub type Bell = Arc<dyn Fn() + Send + Sync>;

/// A partition to be watched.
#[derive(Debug, Clone)]
pub struct Watch {
    pub partition: TopicPartition,
    pub isolation: Isolation,
    /// the bound of what this reader was shown
    pub seen: i64,
}

/// One partition of a ListOffsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetQuery {
    Earliest,
    Latest(Isolation),
    /// the record with the newest timestamp (KIP-734)
    MaxTimestamp(Isolation),
    /// the first record at or after this time
    At(i64, Isolation),
    /// v0: segment starts before this time
    Before {
        timestamp: i64,
        max: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffsetsFound {
    One(Option<TimestampAndOffset>),
    /// v0
    Many(Vec<i64>),
}

/// What a directory's checkpoints are made of.
#[derive(Debug, Clone)]
pub(super) struct Checkpointed {
    pub(super) partition: TopicPartition,
    pub(super) dir: PathBuf,
    pub(super) offsets: Offsets,
    pub(super) first_segment: i64,
    /// all is flushed and closed, as far as asked for
    pub(super) sound: bool,
}

/// What is done to one partition on its shard's thread; told why if that cannot be.
pub type Work = Box<dyn FnOnce(Result<&mut Hosted, LogError>) + Send>;

/// How often a command found something that was not in memory, and came back once it was read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Where memory is so short that what was read is gone again, the shard reads by itself.
    const MOST: u32 = 64;

    pub(super) fn disk(self) -> Disk {
        match self.0 {
            Self::MOST.. => Disk::Wait,
            _ => Disk::Never,
        }
    }

    pub(super) fn again(self) -> Self {
        Self(self.0 + 1)
    }
}

pub(super) enum Command {
    Append {
        items: Vec<AppendItem>,
        origin: Origin,
        reply: oneshot::Sender<Vec<Appended>>,
    },
    Read {
        items: Vec<ReadItem>,
        wait: Option<ReadWait>,
        reply: oneshot::Sender<ReadResults>,
        tries: Tries,
    },
    Watch {
        items: Vec<Watch>,
        bell: Bell,
        max_wait: Duration,
    },
    ListOffsets {
        items: Vec<(TopicPartition, OffsetQuery, Option<i32>)>,
        reply: oneshot::Sender<Vec<Result<OffsetsFound, LogError>>>,
        tries: Tries,
    },
    /// Anything else that is done to one partition.
    Run {
        partition: TopicPartition,
        work: Work,
    },
    /// A log that was loaded elsewhere moves in.
    Host {
        partition: TopicPartition,
        log: Box<Log>,
        high_watermark: i64,
        done: std::sync::mpsc::Sender<()>,
    },
    /// Opens a log here, unless it is hosted already.
    Open {
        partition: TopicPartition,
        dir: PathBuf,
        options: LoadOptions,
        reply: oneshot::Sender<Result<(), LogError>>,
    },
    /// Moves a log out.
    Evict {
        partition: TopicPartition,
        reply: oneshot::Sender<Option<Box<Log>>>,
    },
    Flushed {
        partition: TopicPartition,
        ticket: FlushTicket,
        result: std::io::Result<()>,
    },
    /// A directory has failed: none of its logs takes appends any more.
    FailDir(PathBuf),
    /// Retention on all partitions.
    Retain,
    /// Flushes those whose `flush.ms` is over.
    FlushDue,
    ExpireProducers,
    Collect {
        reply: std::sync::mpsc::Sender<Vec<Checkpointed>>,
    },
    /// Closes all logs and ends the thread.
    Close {
        reply: std::sync::mpsc::Sender<Vec<Checkpointed>>,
    },
}
