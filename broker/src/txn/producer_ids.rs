//! Producer ids, unique in the cluster: handed out from blocks that this broker reserved. What is
//! left of a block when the broker stops is never used. Mirrors ProducerIdManager.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;

use tokio::sync::Mutex;

/// Ids in a block (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
pub const BLOCK_SIZE: i64 = 1000;

/// Ids that nobody else hands out.
pub type Block = RangeInclusive<i64>;

/// Where blocks come from.
pub trait BlockSource: Send + Sync {
    /// Reserves the next block. `None`: not at the moment.
    fn reserve(&self) -> Pin<Box<dyn Future<Output = Option<Block>> + Send + '_>>;
}

pub struct ProducerIds {
    left: Mutex<Block>,
    source: Box<dyn BlockSource>,
}

impl std::fmt::Debug for ProducerIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProducerIds")
    }
}

impl ProducerIds {
    pub fn new(source: Box<dyn BlockSource>) -> Self {
        Self {
            left: Mutex::new(RangeInclusive::new(1, 0)),
            source,
        }
    }

    /// An id that nobody has had. `None`: no block can be had at the moment.
    pub async fn next(&self) -> Option<i64> {
        let mut left = self.left.lock().await;
        if let Some(id) = left.next() {
            return Some(id);
        }
        // others wait here meanwhile: one block serves them all
        *left = self.source.reserve().await?;
        left.next()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Counted(AtomicI64);

    impl BlockSource for Counted {
        fn reserve(&self) -> Pin<Box<dyn Future<Output = Option<Block>> + Send + '_>> {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            // every second time there is none
            Box::pin(std::future::ready(
                (n % 2 == 1).then_some(n * 10..=n * 10 + 1),
            ))
        }
    }

    #[tokio::test]
    async fn ids_come_from_blocks_and_no_block_gives_no_id() {
        let ids = ProducerIds::new(Box::new(Counted(AtomicI64::new(0))));
        let mut given = Vec::new();
        for _ in 0..6 {
            given.push(ids.next().await);
        }
        let expected = [None, Some(10), Some(11), None, Some(30), Some(31)];
        assert_eq!(given, expected);
    }
}
