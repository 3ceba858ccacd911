//! A Kafka broker in ZooKeeper mode.

pub mod clock;
pub mod config;
pub mod controller;
pub mod fetch;
mod gate;
pub mod group;
pub mod handlers;
pub mod log;
pub mod loggers;
pub mod metadata;
pub mod metrics;
pub mod net;
pub mod purgatory;
pub mod replica;
pub mod shard;
mod shutdown;
pub mod start;
pub mod state;
pub mod tools;
pub mod txn;
pub mod zk;
