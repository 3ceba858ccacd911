//! ZooKeeper under test: one configuration that ours and Apache's servers start from, a raw
//! client that sees every byte, and the oracle that compares two servers.

mod client;
pub mod oracle;
mod raw;
mod server;

pub use client::{Gone, ZkClient, Znode};
pub use raw::{RawConn, Received, frame, plain_connect};
pub use server::{ZkConfig, ZkServer, four_letter};
