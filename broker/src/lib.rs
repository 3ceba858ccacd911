//! A Kafka broker in ZooKeeper mode.

pub mod config;
pub mod controller;
pub mod group;
pub mod handlers;
pub mod log;
pub mod metadata;
pub mod net;
pub mod shard;
pub mod state;
pub mod tools;
pub mod zk;
