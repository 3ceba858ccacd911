//! Blocks of producer ids from the znode /latest_producer_id_block, which brokers of all versions
//! count up by compare and set. Mirrors ZkProducerIdManager.getNewProducerIdBlock.
#![allow(clippy::disallowed_methods, reason = "waits with a limit of time")]

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use driver::zk_client::{CreateMode, Error, OwnedAcl, ZkClient};
use proto::zk::ErrorCode;
use tracing::{info, warn};

use super::producer_ids::{BLOCK_SIZE, Block, BlockSource};
use crate::zk::{json, paths};

/// A producer waits for its id: it had better ask again than wait for ZooKeeper for ever.
const LIMIT: Duration = Duration::from_secs(10);

/// Gives the session of the moment.
type Session = Box<dyn Fn() -> Option<ZkClient> + Send + Sync>;

pub struct ZkBlocks {
    broker: i32,
    session: Session,
}

impl ZkBlocks {
    pub fn new(broker: i32, session: Session) -> Self {
        Self { broker, session }
    }

    async fn try_reserve(&self) -> Result<Option<Block>, Error> {
        let Some(client) = (self.session)() else {
            return Ok(None);
        };
        loop {
            let (data, version) = match client.get_data(paths::PRODUCER_ID_BLOCK, false).await {
                Ok((data, stat)) => (data.unwrap_or_default(), Some(stat.version)),
                Err(e) if e.code() == Some(ErrorCode::NoNode) => Default::default(),
                Err(e) => return Err(e),
            };
            let Some(block) = following(&data) else {
                return Ok(None);
            };
            let (first, last) = (*block.start(), *block.end());
            let json = json::encode_producer_id_block(self.broker, first, last);
            let written = write(&client, version, &json).await;
            match written.map_err(|e| (e.code(), e)) {
                Ok(()) => {
                    info!("Acquired new producerId block {first} to {last}");
                    return Ok(Some(block));
                }
                // another broker was faster, or this write came through after all: on to the next
                Err((
                    Some(ErrorCode::BadVersion | ErrorCode::NodeExists | ErrorCode::ConnectionLoss),
                    _,
                )) => {}
                Err((_, e)) => return Err(e),
            }
        }
    }
}

impl BlockSource for ZkBlocks {
    fn reserve(&self) -> Pin<Box<dyn Future<Output = Option<Block>> + Send + '_>> {
        Box::pin(async {
            match tokio::time::timeout(LIMIT, self.try_reserve()).await {
                Ok(Ok(block)) => block,
                Ok(Err(e)) => {
                    warn!("no block of producer ids: {e}");
                    None
                }
                Err(_) => {
                    warn!("no block of producer ids: ZooKeeper does not answer");
                    None
                }
            }
        })
    }
}

async fn write(client: &ZkClient, version: Option<i32>, json: &[u8]) -> Result<(), Error> {
    let path = paths::PRODUCER_ID_BLOCK;
    match version {
        Some(version) => client.set_data(path, Some(json), version).await.map(drop),
        None => {
            let acl = [OwnedAcl::OPEN];
            let created = client.create(path, Some(json), &acl, CreateMode::Persistent);
            created.await.map(drop)
        }
    }
}

/// The block after the one in the znode; `None` (with a line in the log) if there can be none.
fn following(data: &[u8]) -> Option<Block> {
    if data.is_empty() {
        return Some(0..=BLOCK_SIZE - 1);
    }
    match json::decode_producer_id_block(data) {
        Ok((_, _, last)) if !(-1..=i64::MAX - BLOCK_SIZE).contains(&last) => {
            warn!(
                "{}: no producer id is left after {last}",
                paths::PRODUCER_ID_BLOCK
            );
            None
        }
        Ok((_, _, last)) => Some(last + 1..=last + BLOCK_SIZE),
        Err(e) => {
            warn!("{}: {e}", paths::PRODUCER_ID_BLOCK);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_each_other() {
        assert_eq!(following(b""), Some(0..=999));
        let json = json::encode_producer_id_block(7, 5000, 5999);
        assert_eq!(following(&json), Some(6000..=6999));
        let json = json::encode_producer_id_block(7, 0, i64::MAX - 1);
        assert_eq!(following(&json), None);
        assert_eq!(following(b"{}"), None);
    }
}
