//! Producers with an identity: their ids. Transactions have no coordinator yet.

mod producer_ids;
mod zk_blocks;

pub use producer_ids::{BLOCK_SIZE, Block, BlockSource, ProducerIds};
pub use zk_blocks::ZkBlocks;
