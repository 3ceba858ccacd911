//! ZooKeeper under test: one configuration that ours and Apache's servers start from, and a raw
//! client that sees every byte.

mod server;

pub use server::{ZkConfig, ZkServer, four_letter};
