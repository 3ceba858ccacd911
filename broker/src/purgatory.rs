//! Waiting until appended records are committed (acks=all). A fetch that waits for data is parked
//! in the shard of its partitions instead. Mirrors kafka.server.DelayedProduce.
#![allow(clippy::disallowed_methods, reason = "waits with a limit of time")]

use std::sync::Arc;
use std::time::Duration;

use proto::kafka::ErrorCode;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::log::{Isolation, TopicPartition};
use crate::shard::{Bell, Shards, Watch};

/// An append that waits for the high watermark to pass it.
#[derive(Debug)]
pub struct Uncommitted {
    pub partition: TopicPartition,
    /// what the high watermark has to reach
    pub offset: i64,
    /// why it was not committed; `None` while that is open, and at the end if it was
    pub failed: Option<ErrorCode>,
    committed: bool,
}

impl Uncommitted {
    pub fn new(partition: TopicPartition, offset: i64) -> Self {
        Self {
            partition,
            offset,
            failed: None,
            committed: false,
        }
    }

    fn is_open(&self) -> bool {
        !self.committed && self.failed.is_none()
    }
}

/// Waits until each append is committed or lost its leader; the rest is timed out.
pub async fn wait_for_commit(shards: &Shards, appends: &mut [Uncommitted], limit: Duration) {
    let deadline = Instant::now() + limit;
    let rung = Arc::new(Notify::new());
    let bell: Bell = {
        let rung = rung.clone();
        Arc::new(move || rung.notify_one())
    };
    loop {
        let watches = look(shards, appends).await;
        let left = deadline.saturating_duration_since(Instant::now());
        if watches.is_empty() || left.is_zero() {
            break;
        }
        if shards.watch(watches, &bell, left).await.is_err() {
            break;
        }
        if timeout_at(deadline, rung.notified()).await.is_err() {
            look(shards, appends).await;
            break;
        }
    }
    for open in appends.iter_mut().filter(|append| append.is_open()) {
        open.failed = Some(ErrorCode::REQUEST_TIMED_OUT);
    }
}

/// Looks at the high watermarks; gives what is still to be watched.
async fn look(shards: &Shards, appends: &mut [Uncommitted]) -> Vec<Watch> {
    let mut watches = Vec::new();
    for append in appends.iter_mut().filter(|append| append.is_open()) {
        let looked = shards.with(append.partition.clone(), |hosted| {
            hosted.check_leader(None)?;
            Ok(hosted.log.high_watermark())
        });
        match looked.await {
            Ok(Ok(seen)) if seen >= append.offset => append.committed = true,
            Ok(Ok(seen)) => watches.push(Watch {
                partition: append.partition.clone(),
                isolation: Isolation::HighWatermark,
                seen,
            }),
            Ok(Err(e)) => append.failed = Some(e.code()),
            Err(_) => append.failed = Some(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        }
    }
    watches
}
