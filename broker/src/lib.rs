//! A Kafka broker in ZooKeeper mode.

pub mod config;
pub mod group;
